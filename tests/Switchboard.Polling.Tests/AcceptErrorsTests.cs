using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

public sealed class AcceptErrorsTests
{
    /// <summary>What accept(2) says of each error, read by a second pair of eyes.</summary>
    public static TheoryData<Errno, AcceptPolicy> Rows { get; } = new()
    {
        { Errno.Again, AcceptPolicy.Retry },
        { Errno.Interrupted, AcceptPolicy.Retry },
        { Errno.ConnectionAborted, AcceptPolicy.Retry },
        { Errno.Protocol, AcceptPolicy.Retry },
        { Errno.NoProtocolOption, AcceptPolicy.Retry },
        { Errno.NetworkDown, AcceptPolicy.Retry },
        { Errno.NetworkUnreachable, AcceptPolicy.Retry },
        { Errno.HostDown, AcceptPolicy.Retry },
        { Errno.HostUnreachable, AcceptPolicy.Retry },
        { Errno.NoNetwork, AcceptPolicy.Retry },
        { Errno.NotSupported, AcceptPolicy.Retry },
        { Errno.TimedOut, AcceptPolicy.Retry },
        { Errno.NotPermitted, AcceptPolicy.Retry },
        { Errno.ProcessDescriptorLimit, AcceptPolicy.Pause },
        { Errno.SystemDescriptorLimit, AcceptPolicy.Pause },
        { Errno.NoBuffers, AcceptPolicy.Pause },
        { Errno.NoMemory, AcceptPolicy.Pause },
        { Errno.BadDescriptor, AcceptPolicy.Gone },
        { Errno.InvalidArgument, AcceptPolicy.Gone },
        { Errno.NotSocket, AcceptPolicy.Fatal },
        { Errno.Fault, AcceptPolicy.Fatal },
    };

    [Theory, MemberData(nameof(Rows))]
    public void An_error_of_accept_has_its_policy(Errno errno, AcceptPolicy policy)
    {
        Assert.Equal(policy, AcceptErrors.Table[errno]);
        Assert.Equal(policy, AcceptErrors.PolicyFor(errno));
    }

    [Fact]
    public void Each_row_of_the_table_is_tested() =>
        Assert.Equal(AcceptErrors.Table.Keys.Order(), Rows.Select(row => row.Data.Item1).Order());

    [Theory]
    [InlineData(Errno.AddressInUse)]
    [InlineData(Errno.NotImplemented)]
    [InlineData((Errno)4000)]
    public void An_error_that_is_not_in_the_table_is_fatal(Errno errno)
    {
        Assert.DoesNotContain(errno, AcceptErrors.Table.Keys);
        Assert.Equal(AcceptPolicy.Fatal, AcceptErrors.PolicyFor(errno));
    }

    [Fact]
    public void A_listener_that_was_never_made_to_listen_answers_that_it_is_gone()
    {
        using Listener listener = Listener.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0), new ListenerOptions());
        NativeAddress peer = default;
        CallResult result = listener.Accept(ref peer);
        Assert.Equal(Errno.InvalidArgument, result.Errno);
        Assert.Equal(AcceptPolicy.Gone, AcceptErrors.PolicyFor(result.Errno));
    }
}
