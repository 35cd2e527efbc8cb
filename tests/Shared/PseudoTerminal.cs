using System.Runtime.InteropServices;
using System.Text;
using Switchboard.Linux;

namespace Switchboard.Tests;

/// <summary>A terminal without a screen: what a test writes to <see cref="Keyboard"/> is typed into the file
/// <see cref="Path"/>.</summary>
internal sealed class PseudoTerminal : IDisposable
{
    private const int ReadWriteNoControl = 0x102;

    internal PseudoTerminal()
    {
        Keyboard = new DescriptorHandle(posix_openpt(ReadWriteNoControl));
        Assert.SkipUnless(!Keyboard.IsInvalid, "This machine has no pseudo-terminals (/dev/ptmx).");
        Assert.Equal(0, grantpt(Keyboard.Number));
        Assert.Equal(0, unlockpt(Keyboard.Number));
        byte[] name = new byte[128];
        Assert.Equal(0, ptsname_r(Keyboard.Number, name, name.Length));
        Path = Encoding.ASCII.GetString(name.AsSpan(0, name.IndexOf((byte)0)));
    }

    /// <summary>The master's descriptor.</summary>
    internal DescriptorHandle Keyboard { get; }

    /// <summary>The terminal's own file.</summary>
    internal string Path { get; }

    internal void Type(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Assert.Equal(bytes.Length, DescriptorCalls.Write(Keyboard.Number, bytes).OrThrow("write"));
    }

    public void Dispose() => Keyboard.Dispose();

#pragma warning disable SYSLIB1054 // Source-generated imports need unsafe code, which the tests do without.
    [DllImport("libc.so.6")]
    private static extern int posix_openpt(int flags);

    [DllImport("libc.so.6")]
    private static extern int grantpt(int descriptor);

    [DllImport("libc.so.6")]
    private static extern int unlockpt(int descriptor);

    [DllImport("libc.so.6")]
    private static extern int ptsname_r(int descriptor, byte[] name, nint length);
#pragma warning restore SYSLIB1054
}
