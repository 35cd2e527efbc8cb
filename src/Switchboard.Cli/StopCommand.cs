using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Switchboard.Linux;

namespace Switchboard.Cli;

/// <summary><c>switchboard stop</c>: asks a program that serves to stop, waits until it has ended, and says how.</summary>
internal static class StopCommand
{
    /// <summary>What a program needs beyond its grace: it cuts calls, and closes.</summary>
    private static readonly TimeSpan _beyondGrace = TimeSpan.FromSeconds(10);

    /// <summary>The time between the end of a process's connections and its own.</summary>
    private static readonly TimeSpan _parting = TimeSpan.FromSeconds(1);

    internal static Command Create()
    {
        var noWait = new Option<bool>("--no-wait") { Description = "Only ask; don't wait for the end." };
        var timeout = new Option<TimeSpan?>("--timeout")
        {
            Description = "How long to wait for the end, 30s for example; unless given, the program's grace and 10 seconds more.",
            HelpName = "TIME",
            CustomParser = static word =>
            {
                try
                {
                    return Values.Time(word.Tokens[0].Value);
                }
                catch (FormatException exception)
                {
                    word.AddError($"--timeout '{word.Tokens[0].Value}' {exception.Message}");
                    return null;
                }
            },
        };
        return AskCommands.Asking("stop", "Asks a program that serves to stop in good order, as SIGTERM does, and waits for its end.", [noWait, timeout], async (line, client) =>
        {
            if (line.GetValue(noWait) && line.GetValue(timeout) is not null)
            {
                throw new MisuseException("--timeout is for waiting, and --no-wait does not wait.");
            }
            if (line.GetValue(noWait))
            {
                JsonObject answer = await client.AskAsync(new JsonObject { ["command"] = ControlCommands.Stop });
                return $"It stops; calls that run have {answer["grace"]}.";
            }
            using DescriptorHandle? process = Open(client.ProcessId);
            return await WaitAsync(client, process, line.GetValue(timeout));
        });
    }

    private static async Task<string> WaitAsync(ControlClient client, DescriptorHandle? process, TimeSpan? asked)
    {
        long began = Stopwatch.GetTimestamp();
        // Of the end itself when it comes soon, and of the grace when it does not.
        JsonObject? answer = await client.TryAskAsync(Asking(ControlCommands.Stop, asked));
        if (answer is null && !HasEnded(process, _parting))
        {
            throw client.TurnedAway();
        }
        TimeSpan patience = asked ?? _beyondGrace + (answer?["grace"] is { } grace ? Values.Time(grace.ToString()) : TimeSpan.Zero);
        // Null once the program has gone while nothing was asked.
        while (answer is not null && !answer["ended"]!.GetValue<bool>())
        {
            TimeSpan left = patience - Stopwatch.GetElapsedTime(began);
            answer = left > TimeSpan.Zero
                ? await client.TryAskAsync(Asking(ControlCommands.Wait, left))
                : throw Late(client, patience, $"; {answer["open"]} calls are open");
        }
        if (process is not null && !HasEnded(process, patience - Stopwatch.GetElapsedTime(began)))
        {
            throw Late(client, patience, ", although its servers have ended");
        }
        string time = string.Create(CultureInfo.InvariantCulture, $"after {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s");
        return answer switch
        {
            null => $"It has ended {time}.",
            _ when answer["failure"] is { } failure => throw new CommandException($"It has ended {time}, with a failure: {failure}"),
            _ when answer["cut"]!.GetValue<long>() is > 0 and var cut => $"It has ended {time}. {cut} calls still ran after the grace and were cut off.",
            _ => $"It has ended {time}, and all calls had ended before.",
        };
    }

    /// <summary>Waits for a process's end. False if it did not come, and if nothing tells of it.</summary>
    private static bool HasEnded(DescriptorHandle? process, TimeSpan patience)
    {
        if (process is null)
        {
            return false;
        }
        var watched = new PollDescriptor(process.Number, PollEvents.Readable);
        return MultiplexCalls.Poll(new Span<PollDescriptor>(ref watched), patience > TimeSpan.Zero ? patience : TimeSpan.Zero) > 0;
    }

    private static JsonObject Asking(string command, TimeSpan? left) => new() { ["command"] = command, ["wait"] = true, ["seconds"] = left?.TotalSeconds };

    private static CommandException Late(ControlClient client, TimeSpan patience, string more) =>
        new(string.Create(CultureInfo.InvariantCulture, $"It still runs after {patience.TotalSeconds:0.###} seconds{more}. Wait longer with --timeout, or end process {client.ProcessId} at once: kill -TERM {client.ProcessId}"));

    /// <summary>Something that tells of a process's end; null where it can't be had.</summary>
    private static DescriptorHandle? Open(int process)
    {
        try
        {
            return process == 0 ? null : ProcessCalls.Open(process);
        }
        catch (SystemCallException)
        {
            // A kernel, or a container, that does not allow it. What the control socket says is enough then.
            return null;
        }
    }
}
