using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Switchboard.Samples.MiniRedis;

/// <summary>When a key is set.</summary>
internal enum SetWhen
{
    Always,
    Missing,
    Present,
}

/// <summary>What became of an increment.</summary>
internal enum IncrementResult
{
    Done,
    NoInteger,
    Overflow,
}

/// <summary>
/// Keys, their values and their ends, for all callers of a server. Each method is one step, whatever other threads do. A
/// key that has expired is missing; it is removed when it is looked up, and in time if it is not.
/// </summary>
internal sealed class Store : IDisposable
{
    private readonly ConcurrentDictionary<byte[], Entry> _entries = new(new KeyComparer());
    private readonly ConcurrentDictionary<byte[], Entry>.AlternateLookup<ReadOnlySpan<byte>> _byBytes;
    private readonly TimeProvider _clock;
    private readonly long _start;
    private readonly Sweep _sweep;

    public Store(TimeProvider clock)
    {
        _byBytes = _entries.GetAlternateLookup<ReadOnlySpan<byte>>();
        _clock = clock;
        _start = clock.GetTimestamp();
        _sweep = new Sweep(_entries, IsExpired, clock);
    }

    /// <summary>How many keys there are, with those that have expired and are not removed yet.</summary>
    public int Count => _entries.Count;

    /// <summary>The time in milliseconds.</summary>
    public long Now => (long)_clock.GetElapsedTime(_start).TotalMilliseconds;

    public bool TryGet(ReadOnlySpan<byte> key, [NotNullWhen(true)] out Entry? entry) => TryGet(key, out _, out entry);

    /// <returns>False if the condition did not hold.</returns>
    public bool Set(ReadOnlySpan<byte> key, Entry entry, SetWhen when = SetWhen.Always)
    {
        if (when == SetWhen.Always)
        {
            _byBytes[key] = entry;
        }
        else if (!(when == SetWhen.Missing ? TryAdd(key, entry) : TryReplace(key, entry)))
        {
            return false;
        }
        if (entry.ExpiresAt != Entry.Never)
        {
            _sweep.Start();
        }
        return true;
    }

    public bool Remove(ReadOnlySpan<byte> key) => _byBytes.TryRemove(key, out _, out Entry? entry) && !IsExpired(entry);

    public void Clear() => _entries.Clear();

    /// <summary>Gives a key another end.</summary>
    /// <returns>False if there is no such key.</returns>
    public bool Expire(ReadOnlySpan<byte> key, long expiresAt)
    {
        while (TryGet(key, out byte[]? held, out Entry? entry))
        {
            if (_entries.TryUpdate(held, new Entry(entry.Value, expiresAt), entry))
            {
                _sweep.Start();
                return true;
            }
        }
        return false;
    }

    /// <summary>Adds one to a number in decimal digits; a missing one is 0.</summary>
    public IncrementResult Increment(ReadOnlySpan<byte> key, out long number)
    {
        Span<byte> digits = stackalloc byte[RespInteger.MostDigits];
        while (true)
        {
            number = 0;
            bool isPresent = TryGet(key, out byte[]? held, out Entry? old);
            if (isPresent && !RespInteger.TryParse(old!.Value, out number))
            {
                return IncrementResult.NoInteger;
            }
            if (number == long.MaxValue)
            {
                return IncrementResult.Overflow;
            }
            (++number).TryFormat(digits, out int length);
            var next = new Entry(digits[..length].ToArray(), old?.ExpiresAt ?? Entry.Never);
            if (isPresent ? _entries.TryUpdate(held!, next, old!) : _byBytes.TryAdd(key, next))
            {
                return IncrementResult.Done;
            }
        }
    }

    public void Dispose() => _sweep.Dispose();

    private bool TryGet(ReadOnlySpan<byte> key, [NotNullWhen(true)] out byte[]? held, [NotNullWhen(true)] out Entry? entry)
    {
        if (!_byBytes.TryGetValue(key, out held, out entry))
        {
            return false;
        }
        if (!IsExpired(entry))
        {
            return true;
        }
        _entries.TryRemove(KeyValuePair.Create(held, entry));
        (held, entry) = (null, null);
        return false;
    }

    private bool TryAdd(ReadOnlySpan<byte> key, Entry entry)
    {
        while (!TryGet(key, out _))
        {
            if (_byBytes.TryAdd(key, entry))
            {
                return true;
            }
        }
        return false;
    }

    private bool TryReplace(ReadOnlySpan<byte> key, Entry entry)
    {
        while (TryGet(key, out byte[]? held, out Entry? old))
        {
            if (_entries.TryUpdate(held, entry, old))
            {
                return true;
            }
        }
        return false;
    }

    private bool IsExpired(Entry entry) => entry.ExpiresAt != Entry.Never && entry.ExpiresAt <= Now;
}
