namespace Switchboard.Polling;

// What the loop runs at this moment, one piece after another: how much of a turn it has taken, and for how long it has run.
public sealed partial class EventLoop
{
    // A piece may send so much before the others have their turn; each call counts as some bytes more.
    private const int PieceAllowance = 512 * 1024;
    private const int CallCost = 2048;

    private object? _work;
    private int _allowance;
    private uint _pieces;

    /// <summary>What the piece that runs belongs to, and its number; null while the loop waits. Any thread.</summary>
    internal object? Running(out uint piece)
    {
        piece = Volatile.Read(ref _pieces);
        return Volatile.Read(ref _work);
    }

    /// <summary>Counts a call that was done without waiting. False if this piece has done so much that the others should
    /// have a turn before it goes on.</summary>
    internal bool Spend(int bytes)
    {
        _allowance -= bytes + CallCost;
        return _allowance > 0 || WaitsInline;
    }

    private void Begin(object? work)
    {
        _work = work;
        _allowance = PieceAllowance;
        _pieces++;
    }
}
