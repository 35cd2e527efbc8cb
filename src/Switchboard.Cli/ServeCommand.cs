using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Switchboard.Polling;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary><c>switchboard serve</c>: its words, and what they say.</summary>
internal static class ServeCommand
{
    private const string Sequential = "sequential";
    private const string Threads = "threads";
    private const string EventLoop = "eventloop";
    private const string Tasks = "tasks";
    private const string Wait = "wait";
    private const string Refuse = "refuse";

    private static readonly string[] _models = [Sequential, Threads, EventLoop, Tasks];

    internal static Command Create()
    {
        var what = new Argument<string>("what")
        {
            Description = $"A built-in sample ({HandlerChoice.SampleNames}), or an assembly's path with the handler's name: app.dll:ChatHandler. The name may be left out where the assembly has one handler.",
        };
        var bind = new Option<string>("--bind", "-b")
        {
            Description = "Where to listen: HOST:PORT (an IPv4 address, an IPv6 address in brackets, localhost, or * for all; port 0 takes a free one), unix:PATH, or unix:@NAME.",
            HelpName = "HOST:PORT|unix:PATH",
            DefaultValueFactory = _ => "127.0.0.1:8009",
        };
        Option<string> model = Choice("--model", "-m", _models, Threads, "Where calls run: one after another, each on a thread of its own, all on event loops, or all on the thread pool.");
        Option<int> limit = Count("--limit", least: 1, 2048, "The most calls at once, for --model threads.");
        Option<string> full = Choice("--when-full", null, [Wait, Refuse], Wait, "What becomes of callers beyond --limit or --max-connections: they wait in the backlog, or are refused.");
        Option<int> most = Count("--max-connections", least: 1, null, "The most connections at once, under any model; 16,384 unless given.");
        Option<int> mostPerAddress = Count("--max-per-address", least: 1, null, "The most connections at once from one IP address; callers beyond it are refused.");
        Option<int> loops = Count("--loops", least: 0, 1, "How many event loops, for --model eventloop; 0 for one a processor.");
        Option<int> backlog = Count("--backlog", least: 0, 1024, "The most callers who wait to be accepted; the kernel caps it (net.core.somaxconn).");
        Option<double> grace = Seconds("--grace", 30, "How long calls may go on after a signal to end.");
        Option<double> idle = Seconds("--idle", 300, "A caller from whom no byte comes for so long is cut off; 0 for never.");
        var reusePort = new Option<bool>("--reuse-port") { Description = "Share the port with other programs of the same user that set it too (SO_REUSEPORT)." };
        Option<UnixFileMode?> unixMode = Mode("--unix-mode", "The access mode of a Unix socket's file, in octal digits (600). Else the umask decides.");
        Option<string> level = Choice("--log-level", "-l", ["trace", "debug", "information", "warning", "error", "critical", "none"], "information",
            "The least level of the log records that go to standard error. Callers are logged at debug.");

        var command = new Command("serve", "Serves a built-in sample or the handler of an assembly, until Ctrl+C or SIGTERM. Then it takes no more callers and lets those that it has go on for the grace time; a second signal ends it at once.")
        {
            what, bind, model, limit, most, mostPerAddress, full, loops, backlog, grace, idle, reusePort, unixMode, level,
        };
        command.Validators.Add(line =>
        {
            // The value of a wrong word can't be asked for.
            string chosen = line.GetResult(model)?.Tokens is [{ Value: var word }] ? word : Threads;
            foreach ((Option option, string itsModel) in ((Option, string)[])[(limit, Threads), (full, Threads), (loops, EventLoop)])
            {
                if (option == full && line.GetResult(most) is { Implicit: false })
                {
                    continue;
                }
                if (chosen != itsModel && _models.Contains(chosen) && line.GetResult(option) is { Implicit: false })
                {
                    line.AddError($"{option.Name} is for --model {itsModel}{(option == full ? $" or {most.Name}" : "")}, not for --model {chosen}.");
                }
            }
        });
        command.SetAction(line => Serving.RunAsync(
            line.GetRequiredValue(what),
            ServerAddress.Parse(line.GetRequiredValue(bind)),
            line.GetValue(model) switch
            {
                Sequential => Concurrency.Sequential(),
                Tasks => Concurrency.Tasks(),
                EventLoop => Concurrency.EventLoop(line.GetValue(loops)),
                _ => Concurrency.Threads(line.GetValue(limit), Full(line)),
            },
            new ServerOptions
            {
                Backlog = line.GetValue(backlog),
                Grace = TimeSpan.FromSeconds(line.GetValue(grace)),
                Limits = new ConnectionLimits { Idle = line.GetValue(idle) is > 0 and double seconds ? TimeSpan.FromSeconds(seconds) : Timeout.InfiniteTimeSpan },
                Callers = new CallerLimits { Connections = Given(line, most) ?? CallerLimits.Default.Connections, ConnectionsPerAddress = Given(line, mostPerAddress), WhenFull = Full(line) },
                Socket = new ListenerOptions { ReusePort = line.GetValue(reusePort), UnixMode = line.GetValue(unixMode) },
                LoggerFactory = new LineLogger(line.InvocationConfiguration.Error, Enum.Parse<LogLevel>(line.GetRequiredValue(level), ignoreCase: true), TimeProvider.System),
            },
            line.InvocationConfiguration.Output));
        return command;

        WhenFull Full(ParseResult line) => line.GetValue(full) == Refuse ? WhenFull.Refuse : WhenFull.Wait;

        static int? Given(ParseResult line, Option<int> option) => line.GetResult(option) is { Implicit: false } ? line.GetValue(option) : null;
    }

    private static Option<int> Count(string name, int least, int? standard, string description)
    {
        var option = new Option<int>(name)
        {
            Description = description,
            HelpName = "N",
            CustomParser = word =>
            {
                string text = word.Tokens[0].Value;
                if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) || value < least)
                {
                    word.AddError($"{name} '{text}' is not a whole number from {least} to {int.MaxValue}.");
                }
                return value;
            },
        };
        if (standard is { } value)
        {
            option.DefaultValueFactory = _ => value;
        }
        return option;
    }

    private static Option<UnixFileMode?> Mode(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "OCTAL",
        CustomParser = word =>
        {
            string text = word.Tokens[0].Value;
            if (text.Length is < 3 or > 4 || text.Any(digit => digit is < '0' or > '7') || Convert.ToInt32(text, 8) is var mode && mode > 0x1FF)
            {
                word.AddError($"{name} '{text}' is not an access mode in octal digits from 000 to 777.");
                return null;
            }
            return (UnixFileMode)mode;
        },
    };

    private static Option<double> Seconds(string name, double standard, string description) => new(name)
    {
        Description = description,
        HelpName = "SECONDS",
        DefaultValueFactory = _ => standard,
        CustomParser = word =>
        {
            const double Most = 1_000_000;
            string text = word.Tokens[0].Value;
            if (!double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value) || value > Most)
            {
                word.AddError($"{name} '{text}' is not a number of seconds from 0 to {Most}.");
            }
            return value;
        },
    };

    private static Option<string> Choice(string name, string? alias, string[] words, string standard, string description)
    {
        var option = new Option<string>(name, alias is null ? [] : [alias])
        {
            Description = description,
            HelpName = string.Join('|', words),
            DefaultValueFactory = _ => standard,
            CustomParser = word =>
            {
                string text = word.Tokens[0].Value;
                if (!words.Contains(text))
                {
                    word.AddError($"{name} '{text}' is none of {string.Join(", ", words)}.");
                }
                return text;
            },
        };
        option.CompletionSources.Add(words);
        return option;
    }
}
