using Switchboard.Bench;
using Switchboard.Bench.Load;

return args switch
{
    ["generate"] => LoadGenerator.Run(),
    ["server", string name] => await ServerVerb.RunAsync(name),
    _ => await CommandLine.RunAsync(args),
};
