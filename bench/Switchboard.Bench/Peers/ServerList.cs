namespace Switchboard.Bench.Peers;

/// <summary>The servers that suites measure: ours, whose names begin with <c>ours-</c>, and their peers.</summary>
internal static class ServerList
{
    internal const string OursPrefix = "ours-";

    private const string PythonProgram = "python3";

    /// <summary>All that this machine can run; what it cannot is told on standard error.</summary>
    internal static IReadOnlyList<Server> Find()
    {
        List<Server> found = [.. ServerVerb.Names.Select(name => new Server(name, Managed: true, ChildProcess.Self("server", name)))];
        if (Tools.IsInstalled(PythonProgram))
        {
            found.Add(new Server("python-threading", Managed: false, [PythonProgram, Tools.PeerFile("threading_server.py")]));
            found.Add(new Server("python-selectors", Managed: false, [PythonProgram, Tools.PeerFile("selectors_server.py")]));
        }
        else
        {
            Console.Error.WriteLine($"The peers in Python are left out: there is no {PythonProgram} on the path.");
        }
        if (CompiledPeer.Build("epoll_echo.c") is { } program)
        {
            found.Add(new Server("c-epoll", Managed: false, [program]));
        }
        return found;
    }
}
