using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

/// <summary>Two connected sockets.</summary>
internal sealed class Pair : IDisposable
{
    internal Pair() => (First, Second) = SocketCalls.CreatePair();

    internal DescriptorHandle First { get; }

    internal DescriptorHandle Second { get; }

    public void Dispose()
    {
        First.Dispose();
        Second.Dispose();
    }
}

internal static class Waits
{
    /// <summary>How long a test waits for what must happen.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>How long a test watches for what must not happen.</summary>
    internal static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(50);

    internal static void JoinOrFail(this Thread thread) => Assert.True(thread.Join(Patience), "The thread did not end.");

    internal static void WriteOrFail(this DescriptorHandle handle, ReadOnlySpan<byte> bytes) =>
        Assert.Equal(bytes.Length, DescriptorCalls.Write(handle.Number, bytes).OrThrow("write"));

    internal static int ReadOrFail(this DescriptorHandle handle, int most = 4096) =>
        DescriptorCalls.Read(handle.Number, new byte[most]).OrThrow("read");
}
