namespace Switchboard.Samples.MiniRedis;

/// <summary>A command and its arguments, where they stand among the received bytes: valid until the next is read.</summary>
internal readonly ref struct RespCommand(ReadOnlySpan<byte> bytes, ReadOnlySpan<(int Start, int Length)> arguments)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private readonly ReadOnlySpan<(int Start, int Length)> _arguments = arguments;

    /// <summary>How many arguments there are; the command's name is the first.</summary>
    public int Count => _arguments.Length;

    public ReadOnlySpan<byte> this[int index] => _bytes.Slice(_arguments[index].Start, _arguments[index].Length);
}
