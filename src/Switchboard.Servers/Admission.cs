using System.Net;
using System.Net.Sockets;

namespace Switchboard.Servers;

/// <summary>Counts a server's connections against its limits. Any thread may call it.</summary>
internal sealed class Admission(CallerLimits limits)
{
    private readonly Dictionary<IPAddress, int> _addresses = [];
    private int _open;
    private int _isAwaited;

    /// <summary>Takes a place for a connection, if one is free.</summary>
    internal bool TryEnter()
    {
        if (limits.Connections is not { } most)
        {
            return true;
        }
        int open = Volatile.Read(ref _open);
        while (open < most)
        {
            int before = Interlocked.CompareExchange(ref _open, open + 1, open);
            if (before == open)
            {
                return true;
            }
            open = before;
        }
        return false;
    }

    /// <summary>Asks for a word when a place becomes free. False if one is free already.</summary>
    internal bool AwaitPlace()
    {
        // Against Leave on another thread: each writes its own field before it reads the other's.
        Interlocked.Exchange(ref _isAwaited, 1);
        return Volatile.Read(ref _open) >= limits.Connections;
    }

    /// <summary>Gives a place back. True if somebody awaits it.</summary>
    internal bool Leave()
    {
        if (limits.Connections is null)
        {
            return false;
        }
        Interlocked.Decrement(ref _open);
        return Interlocked.Exchange(ref _isAwaited, 0) != 0;
    }

    /// <summary>Counts an address, unless it has as many connections as it may.</summary>
    /// <param name="caller">Who calls.</param>
    /// <param name="counted">What to give to <see cref="Leave(IPAddress)"/> later; null if nothing was counted.</param>
    internal bool TryEnter(EndPoint? caller, out IPAddress? counted)
    {
        counted = null;
        if (limits.ConnectionsPerAddress is not { } most || caller is not IPEndPoint { Address: var address })
        {
            return true;
        }
        address = Network(address);
        lock (_addresses)
        {
            int open = _addresses.GetValueOrDefault(address);
            if (open >= most)
            {
                return false;
            }
            _addresses[address] = open + 1;
        }
        counted = address;
        return true;
    }

    /// <summary>What is counted for an address: an IPv4 address, or the leading bits of an IPv6 one.</summary>
    private IPAddress Network(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return address;
        }
        if (address.IsIPv4MappedToIPv6)
        {
            return address.MapToIPv4();
        }
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        int whole = limits.IPv6Prefix / 8;
        if (whole < bytes.Length)
        {
            bytes[whole] &= (byte)(0xFF00 >> (limits.IPv6Prefix % 8));
            bytes[(whole + 1)..].Clear();
        }
        // The same prefix on two links is two networks.
        return new IPAddress(bytes, address.ScopeId);
    }

    internal void Leave(IPAddress address)
    {
        lock (_addresses)
        {
            if (--_addresses[address] == 0)
            {
                _addresses.Remove(address);
            }
        }
    }
}
