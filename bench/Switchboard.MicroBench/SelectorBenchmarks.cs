using BenchmarkDotNet.Attributes;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.MicroBench;

/// <summary>A wait that finds one of some sockets ready.</summary>
[MemoryDiagnoser]
public class SelectorBenchmarks : IDisposable
{
    private const int Pairs = 64;

    private readonly List<DescriptorHandle> _sockets = [];
    private readonly ReadyEvent[] _ready = new ReadyEvent[256];
    private Selector _selector = null!;

    /// <summary>Which system call.</summary>
    [Params("epoll", "poll", "select")]
    public string Multiplexer { get; set; } = "";

    [GlobalSetup]
    public void Register()
    {
        _selector = Multiplexer switch
        {
            "epoll" => new EpollSelector(),
            "poll" => new PollSelector(),
            _ => new SelectSelector(),
        };
        for (int i = 0; i < Pairs; i++)
        {
            (DescriptorHandle near, DescriptorHandle far) = SocketCalls.CreatePair();
            _sockets.AddRange(near, far);
            _selector.Register(near, Interest.Read);
        }
        SocketCalls.Send(_sockets[^1].Number, "x"u8).OrThrow("send");
    }

    /// <summary>The one that is ready stays so.</summary>
    [Benchmark]
    public int Wait() => _selector.Select(_ready, null);

    [GlobalCleanup]
    public void Dispose()
    {
        _selector.Dispose();
        _sockets.ForEach(socket => socket.Dispose());
        GC.SuppressFinalize(this);
    }
}
