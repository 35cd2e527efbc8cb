using System.Buffers.Binary;
using System.Text;

namespace Switchboard.Samples.MiniRedis;

/// <summary>What a caller may ask for, and how Redis answers it.</summary>
internal sealed class Commands(Store store, RespWriter replies)
{
    private const int Any = int.MaxValue;
    private const string SyntaxError = "ERR syntax error";
    private const string NoInteger = "ERR value is not an integer or out of range";

    private static readonly Dictionary<ulong, Command> _known = new Command[]
    {
        new("ping", 1, 2, static (caller, command) => caller.Ping(command)),
        new("echo", 2, 2, static (caller, command) => caller.Echo(command)),
        new("get", 2, 2, static (caller, command) => caller.Get(command)),
        new("set", 3, Any, static (caller, command) => caller.Set(command)),
        new("del", 2, Any, static (caller, command) => caller.Del(command)),
        new("exists", 2, Any, static (caller, command) => caller.Exists(command)),
        new("incr", 2, 2, static (caller, command) => caller.Incr(command)),
        new("expire", 3, Any, static (caller, command) => caller.Expire(command)),
        new("ttl", 2, 2, static (caller, command) => caller.Ttl(command)),
        new("dbsize", 1, 1, static (caller, _) => caller.DbSize()),
        new("flushall", 1, Any, static (caller, command) => caller.FlushAll(command)),
        new("config", 2, Any, static (caller, command) => caller.Config(command)),
        new("command", 1, Any, static (caller, command) => caller.CommandTable(command)),
        new("client", 2, Any, static (caller, command) => caller.Client(command)),
        new("quit", 1, Any, static (caller, _) => caller.QuitOk()),
    }.ToDictionary(static command => Fold(Encoding.ASCII.GetBytes(command.Name)));

    // What redis-benchmark asks for. Nothing is saved here.
    private static readonly (string Name, string Value)[] _settings = [("save", ""), ("appendonly", "no")];

    /// <summary>True if the call is to end as soon as the replies are sent.</summary>
    public bool HasQuit { get; private set; }

    public void Quit() => HasQuit = true;

    public void Execute(RespCommand command)
    {
        ReadOnlySpan<byte> name = command[0];
        if (!_known.TryGetValue(Fold(name), out Command? known) || known.Name.Length != name.Length)
        {
            replies.Error($"ERR unknown command '{Text(name)}', with args beginning with: {Beginning(command)}");
        }
        else if (command.Count < known.Least || command.Count > known.Most)
        {
            WrongCount(known.Name);
        }
        else
        {
            known.Execute(this, command);
        }
    }

    private void Ping(RespCommand command)
    {
        if (command.Count == 1)
        {
            replies.Encoded("+PONG\r\n"u8);
        }
        else
        {
            replies.Bulk(command[1]);
        }
    }

    private void Echo(RespCommand command) => replies.Bulk(command[1]);

    private void Get(RespCommand command)
    {
        if (store.TryGet(command[1], out Entry? entry))
        {
            replies.Bulk(entry.Value);
        }
        else
        {
            replies.Null();
        }
    }

    /// <summary>SET key value [NX|XX] [EX seconds|PX milliseconds]</summary>
    private void Set(RespCommand command)
    {
        SetWhen when = SetWhen.Always;
        int unit = 0;
        int life = 0;
        for (int i = 3; i < command.Count; i++)
        {
            if (Is(command[i], "NX") && when != SetWhen.Present)
            {
                when = SetWhen.Missing;
            }
            else if (Is(command[i], "XX") && when != SetWhen.Missing)
            {
                when = SetWhen.Present;
            }
            else if (Is(command[i], "EX") && unit != 1 && i + 1 < command.Count)
            {
                (unit, life) = (1000, ++i);
            }
            else if (Is(command[i], "PX") && unit != 1000 && i + 1 < command.Count)
            {
                (unit, life) = (1, ++i);
            }
            else
            {
                replies.Error(SyntaxError);
                return;
            }
        }
        long expiresAt = Entry.Never;
        if (unit != 0 && !TryReadEnd(command[life], unit, least: 1, "set", out expiresAt))
        {
            return;
        }
        if (store.Set(command[1], new Entry(command[2].ToArray(), expiresAt), when))
        {
            replies.Ok();
        }
        else
        {
            replies.Null();
        }
    }

    private void Del(RespCommand command)
    {
        int removed = 0;
        for (int i = 1; i < command.Count; i++)
        {
            removed += store.Remove(command[i]) ? 1 : 0;
        }
        replies.Integer(removed);
    }

    private void Exists(RespCommand command)
    {
        int found = 0;
        for (int i = 1; i < command.Count; i++)
        {
            found += store.TryGet(command[i], out _) ? 1 : 0;
        }
        replies.Integer(found);
    }

    private void Incr(RespCommand command)
    {
        switch (store.Increment(command[1], out long number))
        {
            case IncrementResult.Done:
                replies.Integer(number);
                break;
            case IncrementResult.NoInteger:
                replies.Error(NoInteger);
                break;
            default:
                replies.Error("ERR increment or decrement would overflow");
                break;
        }
    }

    private void Expire(RespCommand command)
    {
        if (command.Count > 3)
        {
            replies.Error($"ERR Unsupported option {Text(command[3])}");
        }
        else if (TryReadEnd(command[2], unit: 1000, least: long.MinValue / 1000, "expire", out long expiresAt))
        {
            bool isPast = expiresAt <= store.Now;
            replies.Integer((isPast ? store.Remove(command[1]) : store.Expire(command[1], expiresAt)) ? 1 : 0);
        }
    }

    /// <summary>Seconds to the nearest whole one; -1 for a key without an end, -2 for none.</summary>
    private void Ttl(RespCommand command) => replies.Integer(
        !store.TryGet(command[1], out Entry? entry) ? -2
        : entry.ExpiresAt == Entry.Never ? -1
        : (Math.Max(entry.ExpiresAt - store.Now, 0) + 500) / 1000);

    private void DbSize() => replies.Integer(store.Count);

    private void FlushAll(RespCommand command)
    {
        if (command.Count == 1 || (command.Count == 2 && (Is(command[1], "ASYNC") || Is(command[1], "SYNC"))))
        {
            store.Clear();
            replies.Ok();
        }
        else
        {
            replies.Error(SyntaxError);
        }
    }

    private void Config(RespCommand command)
    {
        if (!Is(command[1], "GET"))
        {
            UnknownSubcommand("CONFIG", command[1]);
        }
        else if (command.Count == 2)
        {
            WrongCount("config|get");
        }
        else
        {
            Settings(command);
        }
    }

    private void Settings(RespCommand command)
    {
        List<string> found = [];
        foreach ((string name, string value) in _settings)
        {
            for (int i = 2; i < command.Count; i++)
            {
                if (Is(command[i], name) || Is(command[i], "*"))
                {
                    found.AddRange(name, value);
                    break;
                }
            }
        }
        replies.Array(found.Count);
        found.ForEach(text => replies.Bulk(Encoding.ASCII.GetBytes(text)));
    }

    /// <summary>Without DOCS: redis-cli then shows the hints that it has itself.</summary>
    private void CommandTable(RespCommand command)
    {
        if (command.Count == 1)
        {
            replies.Array(0);
        }
        else if (Is(command[1], "COUNT"))
        {
            replies.Integer(_known.Count);
        }
        else
        {
            UnknownSubcommand("COMMAND", command[1]);
        }
    }

    /// <summary>Libraries tell their names when they connect.</summary>
    private void Client(RespCommand command)
    {
        if (Is(command[1], "SETNAME") || Is(command[1], "SETINFO"))
        {
            replies.Ok();
        }
        else
        {
            UnknownSubcommand("CLIENT", command[1]);
        }
    }

    private void QuitOk()
    {
        replies.Ok();
        Quit();
    }

    /// <summary>Reads how long a key is to live; if that is no good, replies why.</summary>
    private bool TryReadEnd(ReadOnlySpan<byte> text, int unit, long least, string name, out long expiresAt)
    {
        expiresAt = 0;
        if (!RespInteger.TryParse(text, out long life))
        {
            replies.Error(NoInteger);
            return false;
        }
        long now = store.Now;
        if (life < least || life >= (Entry.Never - now) / unit)
        {
            replies.Error($"ERR invalid expire time in '{name}' command");
            return false;
        }
        expiresAt = now + (life * unit);
        return true;
    }

    private void WrongCount(string name) => replies.Error($"ERR wrong number of arguments for '{name}' command");

    private void UnknownSubcommand(string command, ReadOnlySpan<byte> name) =>
        replies.Error($"ERR unknown subcommand '{Text(name)}'. Try {command} HELP.");

    /// <summary>The first arguments in quotes, about 128 characters of them.</summary>
    private static string Beginning(RespCommand command)
    {
        var text = new StringBuilder();
        for (int i = 1; i < command.Count && text.Length < 128; i++)
        {
            string argument = Text(command[i], 128 - text.Length);
            text.Append('\'').Append(argument).Append("' ");
        }
        return text.ToString();
    }

    private static string Text(ReadOnlySpan<byte> bytes, int most = 128) => Encoding.Latin1.GetString(bytes[..Math.Min(bytes.Length, most)]);

    private static bool Is(ReadOnlySpan<byte> word, string name) => Ascii.EqualsIgnoreCase(word, name);

    /// <summary>Makes a number of a name of up to 8 letters, the same for capital and small ones; 0 for a longer one.</summary>
    private static ulong Fold(ReadOnlySpan<byte> name)
    {
        const ulong WithoutCase = 0xDFDF_DFDF_DFDF_DFDF;
        Span<byte> letters = stackalloc byte[sizeof(ulong)];
        return name.TryCopyTo(letters) ? BinaryPrimitives.ReadUInt64LittleEndian(letters) & WithoutCase : 0;
    }
}
