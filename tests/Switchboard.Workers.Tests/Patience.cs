using Switchboard.Tests;

namespace Switchboard.Workers.Tests;

/// <summary>How long a test waits for what must happen. It is no measure of speed: a test that needs it all has failed.</summary>
internal static class Patience
{
    /// <summary>For <see cref="FactAttribute.Timeout"/>, in milliseconds.</summary>
    internal const int Test = 60_000;

    internal static readonly TimeSpan Step = TimeSpan.FromSeconds(30);

    /// <summary>A time after which a wait that must not end counts as one that doesn't.</summary>
    internal static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(50);

    /// <summary>How many rounds to make of something that goes wrong rarely, if at all.</summary>
    internal static int Rounds(int everyday) => Scale.Of(everyday);

    internal static void Until(Func<bool> condition, string what) =>
        Assert.True(SpinWait.SpinUntil(condition, Step), $"It did not come about that {what}.");

    internal static void WaitOrFail(this ManualResetEventSlim signal) =>
        Assert.True(signal.Wait(Step, TestContext.Current.CancellationToken), "The signal did not come.");

    internal static void JoinOrFail(this Worker worker) => Assert.True(worker.Join(Step), $"{worker} did not end.");

    internal static bool IsBlocked(this Thread thread) => (thread.ThreadState & ThreadState.WaitSleepJoin) != 0;
}
