using System.Net;
using System.Net.Sockets;
using System.Runtime.ExceptionServices;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>Where a connection that this program opens lives: with the call that opens it, so that its awaits come back
/// there; or on the thread pool.</summary>
internal abstract class ClientHome
{
    /// <summary>The home of what the calling thread opens.</summary>
    internal static ClientHome Current =>
        EventLoop.Current is { WatchesDescriptors: true } loop ? new OnLoop(loop)
        : CallContext.OfThisPiece is { } context ? new InContext(context, isOwn: false)
        : new InContext(new CallContext(null, static exception => ExceptionDispatchInfo.Throw(exception)), isOwn: true);

    /// <summary>Cancelled when the server stops whose call this is.</summary>
    internal abstract CancellationToken Stopping { get; }

    /// <summary>True if the calling thread is the home's own, to which what is awaited should come back.</summary>
    internal abstract bool HasThread { get; }

    /// <summary>Opens a socket to one address.</summary>
    /// <returns>The socket, as <see cref="Carry"/> takes it.</returns>
    /// <exception cref="SystemCallException">It failed.</exception>
    internal abstract Task<IDisposable> OpenAsync(EndPoint address, ClientOptions options, CancellationToken cancellation);

    /// <summary>Makes what carries a connection on an open socket.</summary>
    internal abstract StreamTransport Carry(IDisposable socket);

    /// <summary>Has what was made take part in its home's life, once it has its connection.</summary>
    internal abstract void Settle(StreamTransport transport);

    /// <summary>Waits for something that goes on in this home.</summary>
    internal abstract void Wait(Task task);

    private sealed class OnLoop(EventLoop loop) : ClientHome
    {
        internal override CancellationToken Stopping { get; } = ServingThread.Stopping;

        internal override bool HasThread => true;

        internal override async Task<IDisposable> OpenAsync(EndPoint address, ClientOptions options, CancellationToken cancellation) =>
            await new ConnectOperation(loop, address, new ConnectSettings(options.NoDelay, options.Probing, options.From?.EndPoint), cancellation).Start();

        internal override StreamTransport Carry(IDisposable socket)
        {
            var handle = (DescriptorHandle)socket;
            SocketCalls.PeerAddress(handle.Number, out NativeAddress peer);
            return new SocketTransport(handle, peer);
        }

        internal override void Settle(StreamTransport transport) => transport.Attach(loop);

        internal override void Wait(Task task) => loop.WaitInline(static task => ((Task)task!).IsCompleted, task);
    }

    private sealed class InContext(CallContext context, bool isOwn) : ClientHome
    {
        private static readonly TimeSpan _longestPause = TimeSpan.FromMilliseconds(32);

        internal override CancellationToken Stopping => context.Stopping;

        internal override bool HasThread => !isOwn;

        internal override async Task<IDisposable> OpenAsync(EndPoint address, ClientOptions options, CancellationToken cancellation)
        {
            TimeSpan pause = TimeSpan.FromMilliseconds(1);
            while (true)
            {
                try
                {
                    return await OpenOnceAsync(address, options, cancellation).ConfigureAwait(HasThread);
                }
                catch (SocketException exception) when (exception.SocketErrorCode == SocketError.WouldBlock && address.AddressFamily == AddressFamily.Unix)
                {
                    // The listener's backlog is full, and the kernel does not tell when it has room.
                    await Task.Delay(pause, cancellation).ConfigureAwait(HasThread);
                    pause = pause < _longestPause ? pause * 2 : pause;
                }
                catch (SocketException exception)
                {
                    throw exception.SocketErrorCode == SocketError.AddressNotAvailable && address.AddressFamily == AddressFamily.Unix
                        // So the base library names ENOENT.
                        ? SystemCallException.For("connect", Errno.NoEntry, ServerAddress.Describe(address))
                        : exception.SocketErrorCode.ToSystemCall("connect", ServerAddress.Describe(address));
                }
            }
        }

        private async Task<Socket> OpenOnceAsync(EndPoint address, ClientOptions options, CancellationToken cancellation)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                if (address.AddressFamily != AddressFamily.Unix)
                {
                    socket.NoDelay = options.NoDelay;
                    options.Probing.Set(socket);
                }
                if (options.From is { } from)
                {
                    socket.Bind(from.EndPoint);
                }
                await socket.ConnectAsync(address, cancellation).ConfigureAwait(HasThread);
                return socket;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        internal override StreamTransport Carry(IDisposable socket) => new TaskTransport((Socket)socket) { MayBlock = isOwn };

        internal override void Settle(StreamTransport transport) => ((TaskTransport)transport).Attach(context);

        internal override void Wait(Task task)
        {
            if (!isOwn)
            {
                throw TaskTransport.MustAwait("ConnectAsync");
            }
            task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing).GetAwaiter().GetResult();
        }
    }
}

/// <summary>What a server's own threads know of their server.</summary>
internal static class ServingThread
{
    [ThreadStatic]
    private static CancellationToken _stopping;

    /// <summary>Cancelled when the server stops that the calling thread belongs to.</summary>
    internal static CancellationToken Stopping
    {
        get => _stopping;
        set => _stopping = value;
    }
}
