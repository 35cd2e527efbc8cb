using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Switchboard.Linux;

namespace Switchboard.Bench.Load;

/// <summary>Callers over TLS 1.3. Those that keep their connections stand on one epoll and are read blocking once their
/// answer has begun to come, which costs this side no task and no thread. Those that connect anew each time shake hands in
/// full, without tickets of earlier calls, each on a thread of its own.</summary>
/// <param name="server">Whom to call.</param>
/// <param name="callers">How many at once.</param>
/// <param name="size">Bytes in a request.</param>
/// <param name="reconnect">True for a new connection for each request.</param>
internal sealed class TlsLoop(IPEndPoint server, int callers, int size, bool reconnect) : ILoad
{
    private static readonly TimeSpan _longestSilence = TimeSpan.FromSeconds(10);

    private readonly DescriptorHandle _epoll = MultiplexCalls.CreateEpoll();
    private readonly EpollEventBuffer _ready = new(256);
    private readonly Caller?[] _callers = new Caller?[callers];
    private readonly Payload _payload = new(size);
    private Exception? _failure;

    public LatencyHistogram Latencies { get; } = new();

    public void Open()
    {
        for (int number = 0; !reconnect && number < callers; number++)
        {
            Caller caller = new(server, size);
            _callers[number] = caller;
            MultiplexCalls.EpollAdd(_epoll.Number, caller.Descriptor, EpollEvents.Readable, (ulong)number).OrThrow("epoll_ctl");
            caller.Send(_payload);
            caller.Receive(_payload);
        }
    }

    public long Run(TimeSpan time)
    {
        Latencies.Clear();
        long end = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
        return reconnect ? Reconnect(end) : Echo(end);
    }

    private long Echo(long end)
    {
        long[] began = new long[callers];
        for (int number = 0; number < callers; number++)
        {
            began[number] = Stopwatch.GetTimestamp();
            _callers[number]!.Send(_payload);
        }
        long answered = 0;
        for (int waiting = callers; waiting > 0;)
        {
            int count = MultiplexCalls.EpollWait(_epoll.Number, _ready, _longestSilence);
            if (count == 0)
            {
                throw new LoadException($"The server answered nothing for {_longestSilence.TotalSeconds} s; {waiting} of {callers} callers wait.");
            }
            for (int k = 0; k < count; k++)
            {
                int number = (int)_ready[k].Data;
                Caller caller = _callers[number]!;
                caller.Receive(_payload);
                long now = Stopwatch.GetTimestamp();
                Latencies.Record(now - began[number]);
                answered++;
                if (now < end)
                {
                    began[number] = now;
                    caller.Send(_payload);
                }
                else
                {
                    waiting--;
                }
            }
        }
        return answered;
    }

    private long Reconnect(long end)
    {
        long answered = 0;
        Thread[] threads = [.. Enumerable.Range(0, callers).Select(_ => new Thread(() =>
        {
            try
            {
                while (Stopwatch.GetTimestamp() < end && Volatile.Read(ref _failure) is null)
                {
                    long began = Stopwatch.GetTimestamp();
                    using Caller caller = new(server, size);
                    caller.Send(_payload);
                    caller.Receive(_payload);
                    lock (Latencies)
                    {
                        Latencies.Record(Stopwatch.GetTimestamp() - began);
                        answered++;
                    }
                }
            }
            catch (Exception exception) when (exception is LoadException or IOException or SocketException)
            {
                Interlocked.CompareExchange(ref _failure, exception, null);
            }
        }))];
        Array.ForEach(threads, static thread => thread.Start());
        Array.ForEach(threads, static thread => thread.Join());
        return _failure is { } failure ? throw new LoadException(failure.Message) : answered;
    }

    public void Dispose()
    {
        foreach (Caller? caller in _callers)
        {
            caller?.Dispose();
        }
        _epoll.Dispose();
    }

    /// <summary>One connection, shaken hands on.</summary>
    private sealed class Caller : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
            ReceiveTimeout = (int)_longestSilence.TotalMilliseconds,
        };

        private readonly SslStream _stream;
        private readonly byte[] _buffer;

        internal Caller(IPEndPoint server, int size)
        {
            _buffer = new byte[size];
            _socket.Connect(server);
            _stream = new SslStream(new NetworkStream(_socket, ownsSocket: true));
            try
            {
                _stream.AuthenticateAsClient(new SslClientAuthenticationOptions
                {
                    TargetHost = "localhost",
                    EnabledSslProtocols = SslProtocols.Tls13,
                    AllowTlsResume = false,
                    // The certificate is made anew for each server, and nobody has signed it.
                    RemoteCertificateValidationCallback = static (_, shown, _, _) => shown?.Subject == "CN=localhost",
                });
            }
            catch (AuthenticationException exception)
            {
                throw new LoadException($"The TLS handshake failed: {exception.Message}");
            }
        }

        internal int Descriptor => (int)_socket.Handle;

        internal void Send(Payload payload) => _stream.Write(payload.From(0));

        /// <summary>Waits for the rest of an answer that has begun to come.</summary>
        internal void Receive(Payload payload)
        {
            for (int received = 0, count; received < _buffer.Length; received += count)
            {
                count = _stream.Read(_buffer);
                if (count == 0)
                {
                    throw new LoadException($"The server closed a connection after {received} of the {_buffer.Length} bytes of an echo.");
                }
                payload.Check(_buffer.AsSpan(0, count), received);
            }
        }

        public void Dispose() => _stream.Dispose();
    }
}
