namespace Switchboard.Samples.MiniRedis;

/// <summary>A value and how long it lives. Neither changes: a key that changes gets another entry.</summary>
/// <param name="value">The value.</param>
/// <param name="expiresAt">When it ends, by the store's clock in milliseconds.</param>
internal sealed class Entry(byte[] value, long expiresAt)
{
    /// <summary>The end of what has none.</summary>
    public const long Never = long.MaxValue;

    public byte[] Value => value;

    public long ExpiresAt => expiresAt;
}
