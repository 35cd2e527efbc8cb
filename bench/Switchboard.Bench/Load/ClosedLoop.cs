using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Bench.Load;

/// <summary>Callers of an echo server, a fixed number at once, on one epoll. Each sends its next request when the last
/// was answered: on the connection that it keeps, or on a new one each time.</summary>
/// <param name="server">Whom to call.</param>
/// <param name="callers">How many at once.</param>
/// <param name="size">Bytes in a request.</param>
/// <param name="reconnect">True for a new connection for each request.</param>
internal sealed class ClosedLoop(IPEndPoint server, int callers, int size, bool reconnect) : IDisposable
{
    private static readonly TimeSpan _longestSilence = TimeSpan.FromSeconds(10);

    private readonly NativeAddress _address = NativeAddress.From(server);
    private readonly DescriptorHandle _epoll = MultiplexCalls.CreateEpoll();
    private readonly EpollEventBuffer _ready = new(256);
    private readonly DescriptorHandle?[] _connections = new DescriptorHandle?[callers];
    private readonly int[] _sent = new int[callers];
    private readonly int[] _received = new int[callers];
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(Math.Max(size, 4096), pinned: true);
    private readonly Payload _payload = new(size);
    private int _waiting;

    /// <summary>Makes the connections that are kept, before the time that is measured, and sends a request on each: only
    /// its answer shows that the server has accepted the connection and made what it needs for it.</summary>
    internal void Open()
    {
        for (int caller = 0; !reconnect && caller < callers; caller++)
        {
            Connect(caller);
        }
        if (!reconnect)
        {
            Run(TimeSpan.Zero);
        }
    }

    /// <summary>Sends requests until the time is over, then waits for the answers to those sent.</summary>
    /// <returns>How many requests were answered.</returns>
    /// <exception cref="LoadException">An answer was wrong or did not come.</exception>
    /// <exception cref="SystemCallException">The connection broke.</exception>
    internal long Run(TimeSpan time)
    {
        long end = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
        long answered = 0;
        for (int caller = 0; caller < callers; caller++)
        {
            Begin(caller);
        }
        while (_waiting > 0)
        {
            int count = MultiplexCalls.EpollWait(_epoll.Number, _ready, _longestSilence);
            if (count == 0)
            {
                throw new LoadException($"The server answered nothing for {_longestSilence.TotalSeconds} s; {_waiting} of {callers} callers wait.");
            }
            bool over = Stopwatch.GetTimestamp() >= end;
            for (int k = 0; k < count; k++)
            {
                (EpollEvents events, ulong data) = _ready[k];
                int caller = (int)data;
                if ((events & EpollEvents.Writable) != 0)
                {
                    Send(caller, watched: true);
                }
                if ((events & ~EpollEvents.Writable) != 0 && Receive(caller))
                {
                    answered++;
                    End(caller);
                    if (!over)
                    {
                        Begin(caller);
                    }
                }
            }
        }
        return answered;
    }

    private void Connect(int caller)
    {
        DescriptorHandle connection = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream, nonBlocking: true);
        _connections[caller] = connection;
        CallResult result = SocketCalls.Connect(connection.Number, _address);
        if (result.Errno != Errno.InProgress)
        {
            result.OrThrow("connect", server.ToString());
        }
        SocketCalls.SetOption(connection.Number, SocketCallOption.NoDelay, 1).OrThrow("setsockopt");
        MultiplexCalls.EpollAdd(_epoll.Number, connection.Number, EpollEvents.Readable, (ulong)caller).OrThrow("epoll_ctl");
    }

    private void Begin(int caller)
    {
        if (reconnect)
        {
            Connect(caller);
        }
        _waiting++;
        _sent[caller] = 0;
        _received[caller] = 0;
        Send(caller, watched: false);
    }

    private void End(int caller)
    {
        _waiting--;
        if (reconnect)
        {
            _connections[caller]!.Dispose();
            _connections[caller] = null;
        }
    }

    // Over loopback a connection is made when connect returns, though a non-blocking one says that it is in progress:
    // the payload goes out at once, and only one that did not go whole needs the socket to be watched for room.
    private void Send(int caller, bool watched)
    {
        int descriptor = _connections[caller]!.Number;
        CallResult result = SocketCalls.Send(descriptor, _payload.From(_sent[caller]));
        if (!result.WouldBlock)
        {
            _sent[caller] += result.OrThrow("send", $"a connection to {server}");
        }
        bool whole = _sent[caller] == _payload.Size;
        if (!whole || watched)
        {
            EpollEvents interest = whole ? EpollEvents.Readable : EpollEvents.Readable | EpollEvents.Writable;
            MultiplexCalls.EpollModify(_epoll.Number, descriptor, interest, (ulong)caller).OrThrow("epoll_ctl");
        }
    }

    private bool Receive(int caller)
    {
        CallResult result = SocketCalls.Receive(_connections[caller]!.Number, _buffer);
        if (result.WouldBlock)
        {
            return false;
        }
        int count = result.OrThrow("recv", $"a connection to {server}");
        if (count == 0)
        {
            throw new LoadException($"The server closed a connection after {_received[caller]} of the {_payload.Size} bytes of an echo.");
        }
        _payload.Check(_buffer.AsSpan(0, count), _received[caller]);
        _received[caller] += count;
        return _received[caller] == _payload.Size;
    }

    public void Dispose()
    {
        foreach (DescriptorHandle? connection in _connections)
        {
            connection?.Dispose();
        }
        _epoll.Dispose();
    }
}
