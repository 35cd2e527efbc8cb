using System.Reflection;
using Xunit.Sdk;
using Xunit.v3;

namespace Switchboard.Polling.Tests;

/// <summary>Runs a theory with the name of each selector; <see cref="Make"/> makes the one of that name.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class EverySelectorAttribute : DataAttribute
{
    /// <summary>True to run it with the selector too that has no descriptors.</summary>
    public bool AndSleep { get; init; }

    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(MethodInfo testMethod, DisposalTracker disposalTracker) =>
        new([.. ((string[])["select", "poll", "epoll", .. AndSleep ? (string[])["sleep"] : []]).Select(name => new TheoryDataRow<string>(name))]);

    public override bool SupportsDiscoveryEnumeration() => true;

    internal static Selector Make(string name)
    {
        Selector selector = name switch
        {
            "select" => new SelectSelector(),
            "poll" => new PollSelector(),
            "sleep" => new SleepSelector(),
            _ => new EpollSelector(),
        };
        Assert.Equal(name, selector.Name);
        return selector;
    }
}

/// <summary>For tests that depend on which descriptor numbers are in use: they run while no other test does.</summary>
[CollectionDefinition(nameof(DescriptorNumbers), DisableParallelization = true)]
public sealed class DescriptorNumbers;
