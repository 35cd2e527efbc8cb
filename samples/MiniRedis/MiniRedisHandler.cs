using Switchboard.Servers;

namespace Switchboard.Samples.MiniRedis;

/// <summary>One caller of a small Redis, which speaks RESP2. All callers share the store. Whatever one read brings is
/// answered by one write, so that a pipeline of commands costs two system calls.</summary>
internal sealed class MiniRedisHandler : RequestHandler
{
    // Beyond this the replies are sent before the next command is carried out: a caller who asks for much and reads
    // nothing is held up by the write, and holds little.
    private const int MostReplies = 64 * 1024;

    private readonly RespWriter _replies = new();
    private readonly Commands _commands;

    public MiniRedisHandler(Store store) => _commands = new Commands(store, _replies);

    protected override async Task HandleAsync(CancellationToken stop)
    {
        using var reader = new RespReader(Connection.Limits.Message);
        // A packet's bytes are the connection's: while a caller is silent, neither side of him holds a buffer.
        while (!_commands.HasQuit && await Connection.ReadMessageAsync(Framing.Packet, stop) is { } packet)
        {
            reader.Take(packet);
            while (Answer(reader))
            {
                await SendAsync();
            }
            await SendAsync();
            reader.Keep();
        }
    }

    /// <summary>Carries out the commands that are there, in their order.</summary>
    /// <returns>True if there may be more, once the replies are sent.</returns>
    private bool Answer(RespReader reader)
    {
        try
        {
            while (!_commands.HasQuit && reader.TryRead(out RespCommand command))
            {
                _commands.Execute(command);
                if (_replies.Length >= MostReplies)
                {
                    return true;
                }
            }
        }
        catch (InvalidDataException exception)
        {
            _replies.Error($"ERR Protocol error: {exception.Message}");
            _commands.Quit();
        }
        return false;
    }

    private async ValueTask SendAsync()
    {
        if (_replies.Length > 0)
        {
            // Without the token: what was carried out before a stop is still answered.
            await Connection.WriteAsync(_replies.Written, CancellationToken.None);
            _replies.Release();
        }
    }
}
