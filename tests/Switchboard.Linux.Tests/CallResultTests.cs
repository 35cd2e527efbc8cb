namespace Switchboard.Linux.Tests;

public sealed class CallResultTests
{
    [Fact]
    public void A_success_has_a_value_and_no_error()
    {
        CallResult result = CallResult.Success(42);
        Assert.True(result.Succeeded);
        Assert.Equal((42, Errno.None, false), (result.Value, result.Errno, result.WouldBlock));
        Assert.Equal(42, result.OrThrow("read"));
        Assert.Equal("42", result.ToString());
    }

    [Fact]
    public void A_failure_has_an_error_and_throws_what_fits_it()
    {
        CallResult result = CallResult.Failure(Errno.BrokenPipe);
        Assert.False(result.Succeeded);
        Assert.Equal((Errno.BrokenPipe, false), (result.Errno, result.WouldBlock));
        Assert.Equal("BrokenPipe", result.ToString());
        SystemCallException e = Assert.Throws<SystemCallException>(() => result.OrThrow("write", "pipe 7"));
        Assert.Equal(("write", Errno.BrokenPipe), (e.Call, e.Errno));
        Assert.Equal("write on pipe 7 failed: Broken pipe (errno 32).", e.Message);
    }

    [Fact]
    public void Only_eagain_means_that_the_call_would_block()
    {
        Assert.True(CallResult.Failure(Errno.Again).WouldBlock);
        Assert.False(CallResult.Failure(Errno.InProgress).WouldBlock);
        Assert.False(CallResult.Success(0).WouldBlock);
    }

    [Fact]
    public void Results_are_equal_by_value_and_error()
    {
        Assert.True(CallResult.Success(1) == CallResult.Success(1));
        Assert.True(CallResult.Success(1) != CallResult.Success(2));
        Assert.True(CallResult.Success(11) != CallResult.Failure(Errno.Again));
        Assert.Equal(CallResult.Failure(Errno.Again).GetHashCode(), CallResult.Failure(Errno.Again).GetHashCode());
        Assert.True(CallResult.Failure(Errno.Again).Equals((object)CallResult.Failure(Errno.Again)));
        Assert.False(CallResult.Success(0).Equals(null));
        Assert.Equal(CallResult.Success(0), default);
    }
}
