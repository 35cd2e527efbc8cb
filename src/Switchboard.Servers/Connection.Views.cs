using System.IO.Pipelines;

namespace Switchboard.Servers;

public sealed partial class Connection
{
    /// <summary>The connection as a stream, in both directions, for what takes one. Disposing the stream does not end the
    /// connection: the handler's return does. Blocking members need a thread of the call's own.</summary>
    /// <returns>The stream.</returns>
    public Stream AsStream() => new ConnectionStream(this);

    /// <summary>The connection as a pair of pipes. Flush the output to send. Do not mix
    /// with other reads.</summary>
    /// <returns>The pipes.</returns>
    public IDuplexPipe AsDuplexPipe()
    {
        Stream stream = AsStream();
        // A zero-byte read first: no buffer is held while nothing is there.
        return new Pipes(PipeReader.Create(stream, new StreamPipeReaderOptions(useZeroByteReads: true, leaveOpen: true)), PipeWriter.Create(stream, new StreamPipeWriterOptions(leaveOpen: true)));
    }

    private sealed record Pipes(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
