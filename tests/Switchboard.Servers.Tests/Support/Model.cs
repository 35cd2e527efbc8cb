namespace Switchboard.Servers.Tests;

/// <summary>A concurrency model, as a row of a theory names it.</summary>
public enum Model
{
    Sequential,
    Threads,
    OneLoop,
    ThreeLoops,
    Tasks,
}

/// <summary>The models, as data of theories.</summary>
public static class Models
{
    public static TheoryData<Model> All => [.. Enum.GetValues<Model>()];

    public static TheoryData<Model> OnLoops => [Model.OneLoop, Model.ThreeLoops];

    /// <summary>Those whose threads serve many callers each.</summary>
    public static TheoryData<Model> Together => [Model.OneLoop, Model.ThreeLoops, Model.Tasks];

    internal static Concurrency Make(this Model model) => model switch
    {
        Model.Sequential => Concurrency.Sequential(),
        Model.Threads => Concurrency.Threads(),
        Model.OneLoop => Concurrency.EventLoop(),
        Model.ThreeLoops => Concurrency.EventLoop(3),
        _ => Concurrency.Tasks(),
    };
}
