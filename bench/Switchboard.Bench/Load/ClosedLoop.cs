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
/// <param name="datagrams">True for UDP: each caller has a socket of its own and sends its request as one datagram. One that
/// is lost ends the run: with fewer callers than the servers' receive buffers have room for, none is.</param>
internal sealed class ClosedLoop(IPEndPoint server, int callers, int size, bool reconnect, bool datagrams = false) : ILoad
{
    // Fewer than the shortest backlog of the servers (Kestrel's, 512): a caller beyond it would try again after a second.
    private const int OpenedAtOnce = 256;

    // Edges, so that the kernel does not look at a connection again after its answer was read.
    private const EpollEvents Watched = EpollEvents.Readable | EpollEvents.EdgeTriggered;

    private static readonly TimeSpan _longestSilence = TimeSpan.FromSeconds(10);

    // Each address has its own ports: with few of them, those of connections that have just ended would run out (28,000 last
    // a second), and each connect search thousands for a free one.
    private const int OwnAddresses = 64;

    private readonly NativeAddress _address = NativeAddress.From(server);
    private readonly NativeAddress[] _own = reconnect
        ? [.. Enumerable.Range(1, OwnAddresses).Select(last => NativeAddress.From(new IPEndPoint(new IPAddress([127, 0, 1, (byte)last]), 0)))]
        : [];
    private readonly string _subject = $"a connection to {server}";
    private readonly DescriptorHandle _epoll = MultiplexCalls.CreateEpoll();
    private readonly EpollEventBuffer _ready = new(256);
    private readonly Caller[] _callers = new Caller[callers];
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(Math.Max(size, 4096) + 1, pinned: true);
    private readonly Payload _payload = new(size);
    private int _waiting;
    private int _nextOwn;

    public LatencyHistogram Latencies { get; } = new();

    public void Open()
    {
        for (int first = 0; !reconnect && first < callers; first += OpenedAtOnce)
        {
            for (int caller = first; caller < Math.Min(first + OpenedAtOnce, callers); caller++)
            {
                Connect(caller);
                Begin(caller, 0);
            }
            HearUntil(0);
        }
    }

    public long Run(TimeSpan time)
    {
        Latencies.Clear();
        long end = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
        for (int caller = 0; caller < callers; caller++)
        {
            Begin(caller, Stopwatch.GetTimestamp());
        }
        return HearUntil(end);
    }

    // Hears answers until none is awaited, and answers each with the next request until the time has come.
    private long HearUntil(long end)
    {
        long answered = 0;
        while (_waiting > 0)
        {
            int count = MultiplexCalls.EpollWait(_epoll.Number, _ready, _longestSilence);
            if (count == 0)
            {
                throw new LoadException($"The server answered nothing for {_longestSilence.TotalSeconds} s; {_waiting} of {callers} callers wait.");
            }
            for (int k = 0; k < count; k++)
            {
                int number = (int)_ready[k].Data;
                ref Caller caller = ref _callers[number];
                if (caller.Sent < size)
                {
                    Send(number);
                }
                if (Receive(ref caller))
                {
                    long now = Stopwatch.GetTimestamp();
                    Latencies.Record(now - caller.Began);
                    answered++;
                    End(ref caller);
                    if (now < end)
                    {
                        Begin(number, now);
                    }
                }
            }
        }
        return answered;
    }

    private void Connect(int number)
    {
        ref Caller caller = ref _callers[number];
        DescriptorHandle connection = SocketCalls.Create(AddressFamily.InterNetwork, datagrams ? SocketType.Dgram : SocketType.Stream, nonBlocking: true);
        caller.Connection = connection;
        caller.Descriptor = connection.Number;
        if (reconnect)
        {
            SocketCalls.SetOption(caller.Descriptor, SocketCallOption.BindAddressNoPort, 1).OrThrow("setsockopt");
            SocketCalls.Bind(caller.Descriptor, _own[_nextOwn = (_nextOwn + 1) % OwnAddresses]).OrThrow("bind", _subject);
        }
        CallResult result = SocketCalls.Connect(caller.Descriptor, _address);
        if (result.Errno != Errno.InProgress)
        {
            result.OrThrow("connect", _subject);
        }
        if (!datagrams)
        {
            SocketCalls.SetOption(caller.Descriptor, SocketCallOption.NoDelay, 1).OrThrow("setsockopt");
        }
        MultiplexCalls.EpollAdd(_epoll.Number, caller.Descriptor, Watched, (ulong)number).OrThrow("epoll_ctl");
    }

    private void Begin(int number, long now)
    {
        if (reconnect)
        {
            Connect(number);
        }
        ref Caller caller = ref _callers[number];
        caller.Began = now;
        caller.Sent = 0;
        caller.Received = 0;
        _waiting++;
        Send(number);
    }

    private void End(ref Caller caller)
    {
        _waiting--;
        if (reconnect)
        {
            caller.Connection!.Dispose();
            caller = default;
        }
    }

    // Over loopback a connection is made when connect returns, though a non-blocking one says that it is in progress: the
    // payload goes out at once, and only one that did not go whole needs the socket to be watched for room.
    private void Send(int number)
    {
        ref Caller caller = ref _callers[number];
        CallResult result = SocketCalls.Send(caller.Descriptor, _payload.From(caller.Sent));
        if (!result.WouldBlock)
        {
            caller.Sent += result.OrThrow("send", _subject);
        }
        if (caller.Sent < size && !caller.IsWatchedForRoom)
        {
            caller.IsWatchedForRoom = true;
            MultiplexCalls.EpollModify(_epoll.Number, caller.Descriptor, Watched | EpollEvents.Writable, (ulong)number).OrThrow("epoll_ctl");
        }
    }

    // An edge comes once, so all that is there must be taken; what leaves room in the buffer was all. The buffer is larger
    // than an answer, so a whole one never needs a second look.
    private bool Receive(ref Caller caller)
    {
        CallResult result = SocketCalls.Receive(caller.Descriptor, _buffer);
        if (result.WouldBlock)
        {
            return false;
        }
        int count = result.OrThrow("recv", _subject);
        if (count == 0)
        {
            throw new LoadException($"The server closed a connection after {caller.Received} of the {size} bytes of an echo.");
        }
        _payload.Check(_buffer.AsSpan(0, count), caller.Received);
        caller.Received += count;
        return caller.Received == size;
    }

    public void Dispose()
    {
        foreach (Caller caller in _callers)
        {
            caller.Connection?.Dispose();
        }
        _epoll.Dispose();
    }

    /// <summary>One caller, and how far its request is.</summary>
    private struct Caller
    {
        internal DescriptorHandle? Connection;
        internal int Descriptor;
        internal int Sent;
        internal int Received;
        internal bool IsWatchedForRoom;
        internal long Began;
    }
}
