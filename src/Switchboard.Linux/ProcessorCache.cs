using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Switchboard.Linux;

/// <summary>Hints to the processor about memory that will be used soon.</summary>
public static class ProcessorCache
{
    private const int Line = 64;

    /// <summary>Begins to fetch an object and what lies round it into the cache, and does not wait for it. Costs some
    /// nanoseconds and changes nothing that a program could see; without effect on processors other than x64. Any thread
    /// may call it.</summary>
    /// <param name="centre">The object. Should the garbage collector move it meanwhile, the hint is wasted.</param>
    /// <param name="before">How many bytes before it, 0 or more.</param>
    /// <param name="after">How many bytes from its beginning, 0 or more.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Fetch(object centre, int before, int after)
    {
        if (Sse.IsSupported)
        {
            // Fetching faults on no address, whatever lies there by now.
            byte* address = (byte*)Unsafe.As<object, nint>(ref centre);
            for (byte* line = address - before; line < address + after; line += Line)
            {
                Sse.Prefetch0(line);
            }
        }
    }
}
