using System.Buffers.Text;

namespace Switchboard.Samples.MiniRedis;

/// <summary>Whole numbers as Redis writes and reads them.</summary>
internal static class RespInteger
{
    /// <summary>The longest: a minus sign and 19 digits.</summary>
    public const int MostDigits = 20;

    /// <summary>Reads a number of 64 bits. There is one way to write each: no plus sign, no zero in front, no space.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out long value) =>
        Utf8Parser.TryParse(text, out value, out int used)
        && used == text.Length
        && text is [(byte)'0'] or [>= (byte)'1' and <= (byte)'9', ..] or [(byte)'-', >= (byte)'1' and <= (byte)'9', ..];
}
