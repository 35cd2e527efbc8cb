using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>What a system call answered: a value of 0 or more, or an error number. For calls whose errors are part of
/// ordinary work (nothing there yet, peer gone), so that no exception is made for them.</summary>
public readonly struct CallResult : IEquatable<CallResult>
{
    private readonly int _raw;

    private CallResult(int raw) => _raw = raw;

    /// <summary>A success.</summary>
    /// <param name="value">The call's answer, 0 or more.</param>
    /// <returns>The result.</returns>
    public static CallResult Success(int value) => new(value);

    /// <summary>A failure.</summary>
    /// <param name="errno">The error number, not <see cref="Errno.None"/>.</param>
    /// <returns>The result.</returns>
    public static CallResult Failure(Errno errno) => new(-(int)errno);

    /// <summary>True if the call succeeded.</summary>
    public bool Succeeded => _raw >= 0;

    /// <summary>The call's answer, 0 or more; meaningless after an error.</summary>
    public int Value => _raw;

    /// <summary>The error number, or <see cref="Errno.None"/>.</summary>
    public Errno Errno => _raw >= 0 ? Errno.None : (Errno)(-_raw);

    /// <summary>True if nothing could be done without waiting (EAGAIN).</summary>
    public bool WouldBlock => _raw == -(int)Errno.Again;

    /// <summary>The value, or the fitting exception.</summary>
    /// <param name="call">The call's name, for the message.</param>
    /// <param name="subject">What it was about, for the message; null for nothing.</param>
    /// <returns>The value.</returns>
    /// <exception cref="SystemCallException">The call failed.</exception>
    public int OrThrow(string call, string? subject = null) =>
        _raw >= 0 ? _raw : throw SystemCallException.For(call, Errno, subject);

    /// <summary>What a function of libc answered. Nothing may run between that call and this, which reads errno.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static CallResult Of(nint returned) => Of(returned, returned >= 0 ? 0 : Marshal.GetLastSystemError());

    /// <summary>The same where something runs in between, as the release of a string: its import keeps errno (SetLastError),
    /// which costs every call 14 ns.</summary>
    internal static CallResult Of(nint returned, int errno) => new(returned >= 0 ? (int)returned : -errno);

    /// <inheritdoc/>
    public bool Equals(CallResult other) => _raw == other._raw;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is CallResult other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _raw;

    /// <inheritdoc/>
    public override string ToString() => Succeeded ? $"{_raw}" : $"{Errno}";

    /// <summary>Equality of both value and error.</summary>
    public static bool operator ==(CallResult left, CallResult right) => left.Equals(right);

    /// <summary>Inequality of value or error.</summary>
    public static bool operator !=(CallResult left, CallResult right) => !left.Equals(right);
}
