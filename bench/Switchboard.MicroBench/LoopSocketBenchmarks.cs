using BenchmarkDotNet.Attributes;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.MicroBench;

/// <summary>Two sockets of a pair on one loop.</summary>
[MemoryDiagnoser]
public class LoopSocketBenchmarks : IDisposable
{
    private const int Operations = 10_000;
    private const int Size = 64;

    private readonly LoopThread _loop = new();
    private readonly byte[] _ping = new byte[Size];
    private readonly byte[] _pong = new byte[Size];
    private LoopSocket _near = null!;
    private LoopSocket _far = null!;

    [GlobalSetup]
    public void Connect()
    {
        (DescriptorHandle near, DescriptorHandle far) = SocketCalls.CreatePair();
        _loop.Run(_ =>
        {
            _near = new LoopSocket(_loop.Loop, near, new Owner());
            _far = new LoopSocket(_loop.Loop, far, new Owner());
            _ = EchoAsync();
            _loop.Finish();
        });
    }

    /// <summary>A write and a read that waits, at both ends.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public void PingPong() => _loop.Run(async _ =>
    {
        for (int i = 0; i < Operations; i++)
        {
            await _near.WriteAsync(_ping);
            await _near.ReadAsync(_ping);
        }
        _loop.Finish();
    });

    private async Task EchoAsync()
    {
        int count;
        while ((count = await _far.ReadAsync(_pong)) > 0)
        {
            await _far.WriteAsync(_pong.AsMemory(0, count));
        }
    }

    // The far end reads the end of input and then ends too.
    [GlobalCleanup]
    public void Dispose()
    {
        _loop.Run(_ =>
        {
            _near.Dispose();
            _far.Dispose();
            _loop.Finish();
        });
        _loop.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The limits of a server's connection; what ends it does not come here.</summary>
    private sealed class Owner : ILoopSocketOwner
    {
        public TimeSpan IdleLimit => TimeSpan.FromMinutes(5);

        public TimeSpan WriteStallLimit => TimeSpan.FromSeconds(30);

        public int PendingSendLimit => 64 * 1024;

        public CancellationToken StopToken => CancellationToken.None;

        public Exception OnIdle(TimeSpan limit) => new TimeoutException();

        public Exception OnWriteStalled(TimeSpan limit) => new TimeoutException();

        public Exception OnError(SystemCallException error) => error;

        public Exception OnTornWrite(int sent, int length) => new IOException();

        public Exception OnClosed() => new ObjectDisposedException(nameof(LoopSocket));
    }
}
