using Switchboard.Linux;
using Switchboard.Polling;

namespace Lesson;

/// <summary>Row 2. Waits up to a second at a time for standard input, and says what it got. A terminal, a pipe and a
/// file will do; the end of input ends it.</summary>
internal static class SelectTerminal
{
    private const int StandardInput = 0;

    public static int Run(string[] args)
    {
        using Stream output = Console.OpenStandardOutput();
        byte[] chunk = new byte[1024];
        List<byte> line = [];
        while (true)
        {
            if (RawSelect.Select([StandardInput], [], [], TimeSpan.FromSeconds(1)).Readable.Count == 0)
            {
                continue;
            }
            // A buffered reader would take several lines at once, and select would not know of those that it holds back.
            CallResult read = DescriptorCalls.Read(StandardInput, chunk);
            int count = read.Succeeded ? read.Value : 0;
            foreach (byte b in chunk.AsSpan(0, count))
            {
                line.Add(b);
                if (b == '\n')
                {
                    Print(output, line);
                }
            }
            if (count == 0)
            {
                if (line.Count > 0)
                {
                    Print(output, line);
                }
                return 0;
            }
        }
    }

    private static void Print(Stream output, List<byte> line)
    {
        output.Write([.. "select get stdin "u8, .. line, (byte)'\n']);
        output.Flush();
        line.Clear();
    }
}
