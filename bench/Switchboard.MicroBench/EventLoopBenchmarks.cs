using BenchmarkDotNet.Attributes;
using Switchboard.Polling;

namespace Switchboard.MicroBench;

/// <summary>Work and timers of a loop.</summary>
[MemoryDiagnoser]
public class EventLoopBenchmarks : IDisposable
{
    private const int Operations = 10_000;
    private const int ArmedTimers = 100_000;

    private readonly LoopThread _loop = new();
    private readonly LoopTimer[] _armed = new LoopTimer[ArmedTimers];
    private readonly SendOrPostCallback _finish;

    public EventLoopBenchmarks() => _finish = _ => _loop.Finish();

    [GlobalSetup(Target = nameof(ArmAndDisarm))]
    public void Arm() => _loop.Run(_ =>
    {
        for (int i = 0; i < ArmedTimers; i++)
        {
            _armed[i] = new LoopTimer(_loop.Loop, static _ => { }, null);
            _armed[i].Arm(TimeSpan.FromHours(1) + TimeSpan.FromMilliseconds(i));
        }
        _loop.Finish();
    });

    /// <summary>Posted from another thread than the loop's, and run.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public void Post()
    {
        for (int i = 0; i < Operations - 1; i++)
        {
            _loop.Loop.Post(static _ => { }, null);
        }
        _loop.Run(_finish);
    }

    /// <summary>One of 100,000 armed timers is disarmed, and armed for a time in their midst.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public void ArmAndDisarm() => _loop.Run(_ =>
    {
        for (int i = 0; i < Operations; i++)
        {
            // A prime step, so that the places in the heap are spread.
            LoopTimer timer = _armed[(long)i * 7919 % ArmedTimers];
            timer.Disarm();
            timer.Arm(TimeSpan.FromHours(1) + TimeSpan.FromMilliseconds((long)i * 104_729 % ArmedTimers));
        }
        _loop.Finish();
    });

    [GlobalCleanup]
    public void Dispose()
    {
        _loop.Dispose();
        GC.SuppressFinalize(this);
    }
}
