using System.Text;
using Switchboard.Servers;

namespace Switchboard.Samples;

/// <summary>Answers each line with the number of words that this caller has sent so far. It is made for each call by its
/// constructor, from a scope of services that ends with the call.</summary>
public sealed class WordsHandler(WordCount count) : RequestHandler
{
    protected override async Task HandleAsync(CancellationToken stop)
    {
        await foreach (ReadOnlyMemory<byte> line in Connection.ReadMessagesAsync(Framing.Line, stop))
        {
            count.Add(Encoding.UTF8.GetString(line.Span));
            await Connection.WriteAsync(Encoding.UTF8.GetBytes($"{count.Words}\n"), stop);
        }
    }
}

/// <summary>A service that each call has for itself.</summary>
public sealed class WordCount
{
    public int Words { get; private set; }

    public void Add(string line) => Words += line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Length;
}
