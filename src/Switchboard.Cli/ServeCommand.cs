using System.CommandLine;

namespace Switchboard.Cli;

/// <summary><c>switchboard serve</c>: its words, and what they say together with the configuration file.</summary>
internal static class ServeCommand
{
    internal static Command Create()
    {
        var what = new Argument<string?>("what")
        {
            Description = $"A built-in sample ({HandlerChoice.SampleNames}), or an assembly's path with the handler's name: app.dll:ChatHandler. The name may be left out where the assembly has one handler, and all of it where --config says what to serve.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var bind = new Option<string[]>("--bind", "-b")
        {
            Description = $"Where to listen, again for each place: HOST:PORT (an IPv4 address, an IPv6 address in brackets, localhost, or * for all; port 0 takes a free one), udp:HOST:PORT, unix:PATH, unix:@NAME, or a socket that is passed on, fd:NUMBER or systemd:NAME. [default: {ServePlan.StandardBind}]",
            HelpName = "HOST:PORT|udp:HOST:PORT|unix:PATH",
        };
        bind.Validators.Add(static result =>
        {
            foreach (string text in result.Tokens.Select(static token => token.Value))
            {
                try
                {
                    EndpointAddress.Check(text);
                }
                catch (FormatException exception)
                {
                    result.AddError($"--bind: {exception.Message}");
                }
            }
        });
        var config = new Option<string?>("--config", "-c") { Description = "A file that says what is served where, in JSON. Its keys are these options' names; what the command line says wins.", HelpName = "FILE" };
        var check = new Option<bool>("--check-config") { Description = "Only look whether all can be understood, and print what would hold." };
        var command = new Command("serve", "Serves a built-in sample or the handler of an assembly, until Ctrl+C or SIGTERM. Then it takes no more callers and lets those that it has go on for the grace time; a second signal ends it at once.")
        {
            what, bind, config, check,
        };
        List<(Setting Setting, Option<string> Option)> options = [.. Setting.All.Select(static setting => (setting, OptionFor(setting)))];
        options.ForEach(row => command.Add(row.Option));
        command.SetAction(async line =>
        {
            Dictionary<string, string> given = options.Where(row => line.GetResult(row.Option) is { Implicit: false })
                .ToDictionary(static row => row.Setting.Name, row => line.GetValue(row.Option)!, StringComparer.Ordinal);
            ServePlan plan = ServePlan.Of(line.GetValue(what), line.GetValue(bind) ?? [], given, line.GetValue(config));
            if (line.GetValue(check))
            {
                await Serving.CheckAsync(plan);
                await line.InvocationConfiguration.Output.WriteLineAsync(plan.ToString());
                return 0;
            }
            return await Serving.RunAsync(plan, line.InvocationConfiguration.Output, line.InvocationConfiguration.Error);
        });
        return command;
    }

    private static Option<string> OptionFor(Setting setting)
    {
        string name = $"--{setting.Name}";
        var option = new Option<string>(name, setting.Name switch { "model" => ["-m"], "log-level" => ["-l"], _ => [] })
        {
            Description = setting.Help,
            HelpName = setting.Form,
            Arity = setting.IsSwitch ? ArgumentArity.ZeroOrOne : setting.IsList ? ArgumentArity.OneOrMore : ArgumentArity.ExactlyOne,
            CustomParser = word =>
            {
                string text = word.Tokens.Count == 0 ? "true" : string.Join(Setting.Separator, word.Tokens.Select(static token => token.Value));
                try
                {
                    setting.CheckAll(text);
                }
                catch (FormatException exception)
                {
                    word.AddError($"{name} '{text}' {exception.Message}");
                }
                return text;
            },
        };
        if (setting.Standard is { } standard && !setting.IsSwitch)
        {
            option.DefaultValueFactory = _ => standard;
        }
        if (setting.Form.Contains('|', StringComparison.Ordinal))
        {
            option.CompletionSources.Add(setting.Form.Split('|'));
        }
        return option;
    }
}
