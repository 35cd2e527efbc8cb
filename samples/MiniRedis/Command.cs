namespace Switchboard.Samples.MiniRedis;

/// <summary>A command that is known.</summary>
/// <param name="Name">Its name, in small letters.</param>
/// <param name="Least">The least arguments, its name counted.</param>
/// <param name="Most">The most.</param>
/// <param name="Execute">Carries it out for a caller.</param>
internal sealed record Command(string Name, int Least, int Most, Action<Commands, RespCommand> Execute);
