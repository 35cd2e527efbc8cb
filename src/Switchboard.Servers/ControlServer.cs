using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>Answers one request of a control socket. Runs on the control server's loop, so it must not block.</summary>
/// <param name="request">What was asked, with its words beside <c>command</c>.</param>
/// <param name="cancellation">Cancelled when the time of the request is over, or the server stops.</param>
/// <returns>The answer.</returns>
/// <exception cref="ControlException">The request can't be done; its message is the answer.</exception>
public delegate ValueTask<JsonObject> ControlCommand(JsonObject request, CancellationToken cancellation);

/// <summary>A request on a control socket can't be done. The message is the sentence that the other side reads.</summary>
/// <param name="message">A sentence: what can't be done, and what can.</param>
public sealed class ControlException(string message) : Exception(message);

/// <summary>
/// A Unix socket on which a program tells of itself and takes orders: a JSON object a line, such as
/// <c>{"command":"status"}</c>, and one object a line as the answer, with a member <c>error</c> where it failed.
/// </summary>
/// <remarks>
/// <para>The socket's file has the mode 0600, and the kernel is asked who calls (SO_PEERCRED): anybody but root and the user of
/// this process is turned away, and the log says so. It runs on a loop and a thread of its own, so that it answers while
/// other servers are busy.</para>
/// <para>A request is at most 64 KiB long and has 10 seconds from the first wait for it to its answer, and at most 64 peers are
/// served at once, the others wait; so a peer that is silent or slow holds nothing up for longer.</para>
/// <para>The socket's folder must belong to root or to the user of this process, and others must not be able to write there, unless
/// they can't remove files of this one (the sticky bit, as /tmp has it): else somebody could put a socket of his own in
/// its place, and be asked and told what this program was meant to be. Binding fails then, with a sentence.</para>
/// </remarks>
public sealed class ControlServer : UnixStreamServer
{
    private static readonly ServerOptions _options = new()
    {
        Socket = new ListenerOptions { UnixMode = UnixFileMode.UserRead | UnixFileMode.UserWrite },
        Limits = new ConnectionLimits { Idle = ControlHandler.RequestTime, WriteStall = TimeSpan.FromSeconds(5), Message = 64 * 1024 },
        Callers = new CallerLimits { Connections = 64 },
        Grace = TimeSpan.FromSeconds(1),
    };

    /// <summary>A control server; it serves once it is started.</summary>
    /// <param name="address">Where: <c>unix:/run/app/control.sock</c> for example. An abstract address has no mode, and only the
    /// look at the peer protects it.</param>
    /// <param name="commands">What it can be asked, by name.</param>
    /// <param name="loggerFactory">Where log records go; null for warnings and errors to standard error.</param>
    /// <param name="owner">The user that the socket's file is given to, by name or number, for a process that is root now and
    /// becomes that user (<see cref="Privileges"/>); null for the user of this process.</param>
    public ControlServer(ServerAddress address, IReadOnlyDictionary<string, ControlCommand> commands, ILoggerFactory? loggerFactory = null, string? owner = null)
        : base(address, Factory(commands), Concurrency.EventLoop(), _options with { LoggerFactory = loggerFactory, Name = $"control {address}", Socket = _options.Socket with { UnixUser = owner } })
    {
    }

    private protected override SafeHandle Open(out EndPoint? local)
    {
        if (Address.Descriptor is null && BoundSocket.FileOf(Address.EndPoint) is { } path)
        {
            CheckFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        return base.Open(out local);
    }

    private void CheckFolder(string folder)
    {
        if (FileCalls.OwnerOf(folder) is not { } owner || OperatingSystem.IsWindows())
        {
            // There is none, and binding says so.
            return;
        }
        uint own = ProcessCalls.EffectiveUser();
        if (owner != 0 && owner != own && (Options.Socket.UnixUser is not { } user || owner != AccountNames.UserId(user)))
        {
            throw Unsafe($"{folder} belongs to user {owner}, who could put another socket in its place; root and user {own} are trusted");
        }
        UnixFileMode mode = File.GetUnixFileMode(folder);
        if ((mode & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0 && (mode & UnixFileMode.StickyBit) == 0)
        {
            throw Unsafe($"others may write to {folder} (its mode is {Convert.ToString((int)mode, 8)}) and could put another socket in its place");
        }
    }

    private static SystemCallException Unsafe(string why) =>
        new("bind", Errno.AccessDenied, $"A control socket can't be made there: {why}. Choose another folder, or make this one safe (chown, chmod 700).");

    /// <summary>Lets root and the user of this process in.</summary>
    /// <param name="request">Who calls.</param>
    /// <returns>False for everybody else.</returns>
    protected override bool Verify(Connection request)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.PeerCredentials is not { } peer)
        {
            return false;
        }
        uint own = ProcessCalls.EffectiveUser();
        if (peer.UserId == 0 || peer.UserId == own)
        {
            return true;
        }
        Log.Stranger(Logger, Name, peer.UserId, peer.ProcessId, own);
        return false;
    }

    private static Func<RequestHandler> Factory(IReadOnlyDictionary<string, ControlCommand> commands)
    {
        ArgumentNullException.ThrowIfNull(commands);
        return () => new ControlHandler(commands);
    }
}
