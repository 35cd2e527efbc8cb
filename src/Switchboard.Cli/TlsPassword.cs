namespace Switchboard.Cli;

/// <summary>Where a password is: never on the command line, where everybody on the machine can read it.</summary>
internal static class TlsPassword
{
    private const string FromFile = "file:";
    private const string FromVariable = "env:";

    internal static void Check(string text)
    {
        if (text is FromFile or FromVariable || !(text.StartsWith(FromFile, StringComparison.Ordinal) || text.StartsWith(FromVariable, StringComparison.Ordinal)))
        {
            throw new FormatException($"does not say where the password is: write {FromFile}PATH for the first line of a file, or {FromVariable}NAME for a variable of the environment.");
        }
    }

    /// <summary>The file that holds it; null if none does.</summary>
    internal static string? File(string text) => text.StartsWith(FromFile, StringComparison.Ordinal) ? text[FromFile.Length..] : null;

    /// <exception cref="UnusableException">It is not there.</exception>
    internal static string Read(string text)
    {
        if (File(text) is not { } path)
        {
            string name = text[FromVariable.Length..];
            return Environment.GetEnvironmentVariable(name) ?? throw new UnusableException($"tls-password {text}: the environment has no variable {name}.");
        }
        try
        {
            return System.IO.File.ReadLines(path).FirstOrDefault() ?? "";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new UnusableException($"tls-password {text} can't be read: {exception.Message}", exception);
        }
    }
}
