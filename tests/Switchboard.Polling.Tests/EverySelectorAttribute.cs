using System.Reflection;
using Xunit.Sdk;
using Xunit.v3;

namespace Switchboard.Polling.Tests;

/// <summary>Runs a theory with the name of each selector; <see cref="Make"/> makes the one of that name.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class EverySelectorAttribute : DataAttribute
{
    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(MethodInfo testMethod, DisposalTracker disposalTracker) =>
        new([new TheoryDataRow<string>("select"), new TheoryDataRow<string>("poll"), new TheoryDataRow<string>("epoll")]);

    public override bool SupportsDiscoveryEnumeration() => true;

    internal static Selector Make(string name)
    {
        Selector selector = name switch
        {
            "select" => new SelectSelector(),
            "poll" => new PollSelector(),
            _ => new EpollSelector(),
        };
        Assert.Equal(name, selector.Name);
        return selector;
    }
}

/// <summary>For tests that depend on which descriptor numbers are in use: they run while no other test does.</summary>
[CollectionDefinition(nameof(DescriptorNumbers), DisableParallelization = true)]
public sealed class DescriptorNumbers;
