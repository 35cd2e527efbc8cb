namespace Switchboard.Servers;

/// <summary>The bytes that go one way between two connections in memory, as many as a socket would take before a write
/// waits. Any thread.</summary>
internal sealed class MemoryDirection
{
    private const int Capacity = 256 * 1024;

    private readonly Lock _gate = new();
    private byte[] _bytes = new byte[4096];
    private int _start;
    private int _count;
    private bool _ended;
    private bool _refused;
    private TaskCompletionSource? _changed;

    /// <summary>Takes what is there: the count, 0 at the end (and for an empty destination when a read would not wait), -1
    /// if nothing is there.</summary>
    internal int TryRead(Span<byte> destination)
    {
        lock (_gate)
        {
            if (_count == 0)
            {
                return _ended || _refused ? 0 : -1;
            }
            int count = Math.Min(destination.Length, _count);
            int first = Math.Min(count, _bytes.Length - _start);
            _bytes.AsSpan(_start, first).CopyTo(destination);
            _bytes.AsSpan(0, count - first).CopyTo(destination[first..]);
            _start = (_start + count) % _bytes.Length;
            _count -= count;
            if (count > 0)
            {
                TellChange();
            }
            return count;
        }
    }

    /// <summary>Gives as much as fits: the count, or -1 if the other end takes no more for good.</summary>
    internal int TryWrite(ReadOnlySpan<byte> source)
    {
        lock (_gate)
        {
            if (_refused)
            {
                return -1;
            }
            int count = Math.Min(source.Length, Capacity - _count);
            if (_count + count > _bytes.Length)
            {
                Grow(_count + count);
            }
            int at = (_start + _count) % _bytes.Length;
            int first = Math.Min(count, _bytes.Length - at);
            source[..first].CopyTo(_bytes.AsSpan(at));
            source[first..count].CopyTo(_bytes);
            _count += count;
            if (count > 0)
            {
                TellChange();
            }
            return count;
        }
    }

    /// <summary>No more will be written: the reader gets what is there, and then the end.</summary>
    internal void End()
    {
        lock (_gate)
        {
            _ended = true;
            TellChange();
        }
    }

    /// <summary>No more will be read: writes fail.</summary>
    internal void Refuse()
    {
        lock (_gate)
        {
            _refused = true;
            TellChange();
        }
    }

    /// <summary>Completes at the next change. Asked for before looking, so that no change is missed.</summary>
    internal Task Changed
    {
        get
        {
            lock (_gate)
            {
                return (_changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
        }
    }

    private void TellChange()
    {
        _changed?.SetResult();
        _changed = null;
    }

    private void Grow(int needed)
    {
        var larger = new byte[Math.Min(Capacity, Math.Max(needed, _bytes.Length * 2))];
        int first = Math.Min(_count, _bytes.Length - _start);
        _bytes.AsSpan(_start, first).CopyTo(larger);
        _bytes.AsSpan(0, _count - first).CopyTo(larger.AsSpan(first));
        (_bytes, _start) = (larger, 0);
    }
}
