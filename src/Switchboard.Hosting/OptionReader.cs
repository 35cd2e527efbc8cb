using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Security.Cryptography;
using Microsoft.Extensions.Configuration;
using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>Reads options, records whose keys are their properties' names, from a configuration. What is wrong becomes a sentence
/// with the key, the value, and what is allowed; the options then stay as they were.</summary>
/// <param name="faults">Takes the sentences.</param>
[RequiresUnreferencedCode("Options are found by their properties' names.")]
[RequiresDynamicCode("Options are found by their properties' names.")]
internal sealed class OptionReader(List<string> faults)
{
    /// <summary>Reads one value.</summary>
    /// <returns>The value; what holds already where it can't be read.</returns>
    internal T Read<T>(IConfigurationSection section, T standard) => TryRead(section, typeof(T), standard, out object? value) ? (T)value! : standard;

    /// <summary>Reads one value by a function of its own, which throws a <see cref="FormatException"/> for what it can't read.</summary>
    /// <returns>The value; null where it can't be read.</returns>
    internal T? Parse<T>(IConfigurationSection section, Func<string, T> parse)
        where T : class => Parse(section, text => (object)parse(text), out object? value) ? (T)value! : null;

    /// <summary>Reads options.</summary>
    /// <param name="section">Where they stand.</param>
    /// <param name="children">Those of its keys that are to be read.</param>
    /// <param name="standard">What holds already.</param>
    /// <param name="others">Names of keys that are read elsewhere.</param>
    /// <returns>What holds already, with what was read.</returns>
    internal T ReadRecord<T>(IConfigurationSection section, IEnumerable<IConfigurationSection> children, T standard, params string[] others)
        where T : class => (T)ReadObject(section, children, standard, others);

    private object ReadObject(IConfigurationSection section, IEnumerable<IConfigurationSection> children, object standard, params string[] others)
    {
        // What "with" of the language calls.
        object copy = standard.GetType().GetMethod("<Clone>$")!.Invoke(standard, null)!;
        foreach (IConfigurationSection child in children)
        {
            PropertyInfo[] properties = Properties(copy.GetType());
            if (Array.Find(properties, property => property.Name.Equals(child.Key, StringComparison.OrdinalIgnoreCase)) is not { } property)
            {
                faults.Add($"There is no setting {child.Path}. Under {section.Path} there may be {string.Join(", ", properties.Select(static one => one.Name).Concat(others).Order(StringComparer.Ordinal))}.");
            }
            else if (TryRead(child, property.PropertyType, property.GetValue(copy), out object? value))
            {
                Try(child, () => property.SetValue(copy, value));
            }
        }
        return copy;
    }

    private static PropertyInfo[] Properties(Type type) =>
        [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(static property => property.CanWrite && CanRead(property.PropertyType))];

    private static bool CanRead(Type type) => IsText(Bare(type)) || IsOptions(type) || (ElementOf(type) is { } element && (IsText(element) || element == typeof(TlsCertificate)));

    private static Type Bare(Type type) => Nullable.GetUnderlyingType(type) ?? type;

    private static bool IsText(Type type) => type.IsEnum || OptionText.Readers.ContainsKey(type);

    private static bool IsOptions(Type type) => type.GetMethod("<Clone>$") is not null && type.GetConstructor(Type.EmptyTypes) is not null;

    private static Type? ElementOf(Type type) => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>) ? type.GetGenericArguments()[0] : null;

    private bool TryRead(IConfigurationSection section, Type type, object? standard, out object? value)
    {
        value = null;
        Type bare = Bare(type);
        if (ElementOf(type) is { } element)
        {
            return TryReadList(section, element, out value);
        }
        if (IsOptions(type) && !IsText(type))
        {
            if (section.Value is { Length: > 0 } text)
            {
                faults.Add($"{section.Path} is '{text}'. It has settings of its own below it: {string.Join(", ", Properties(type).Select(static one => one.Name))}.");
                return false;
            }
            int before = faults.Count;
            value = ReadObject(section, section.GetChildren(), standard ?? Activator.CreateInstance(type)!);
            if (value is TlsOptions { Certificates: null } && faults.Count == before)
            {
                faults.Add($"{section.Path} has no {nameof(TlsOptions.Certificates)}. Name the file of one at least: {section.Path}:{nameof(TlsOptions.Certificates)}:0:{nameof(CertificateFiles.File)}.");
            }
            return faults.Count == before;
        }
        if (bare != type && (section.Value is null || section.Value.Equals(OptionText.Off, StringComparison.OrdinalIgnoreCase)) && !section.GetChildren().Any())
        {
            return true;
        }
        return Parse(section, text => bare.IsEnum && !OptionText.Readers.ContainsKey(bare) ? OneOf(bare, text) : OptionText.Readers[bare](text), out value);
    }

    private static object OneOf(Type type, string text) => Enum.TryParse(type, text, ignoreCase: true, out object? value) && !char.IsAsciiDigit(text[0])
        ? value
        : throw new FormatException($"Write one of {string.Join(", ", Enum.GetNames(type))}.");

    private bool TryReadList(IConfigurationSection section, Type type, out object? value)
    {
        var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(type))!;
        value = list;
        int before = faults.Count;
        // A list of one may be written without a number.
        foreach (IConfigurationSection child in section.GetChildren().Any() ? section.GetChildren() : [section])
        {
            object? element = null;
            if (type == typeof(TlsCertificate) ? TryReadCertificate(child, out element) : TryRead(child, type, null, out element))
            {
                list.Add(element);
            }
        }
        return faults.Count == before;
    }

    private bool TryReadCertificate(IConfigurationSection section, out object? certificate)
    {
        certificate = null;
        int before = faults.Count;
        var files = (CertificateFiles)ReadObject(section, section.GetChildren(), new CertificateFiles());
        if (files.File is null && faults.Count == before)
        {
            faults.Add($"{section.Path} has no {nameof(CertificateFiles.File)}. Name the certificate's file there.");
        }
        object? read = null;
        if (faults.Count == before)
        {
            Try(section, () => read = files.Read());
        }
        certificate = read;
        return read is not null;
    }

    private bool Parse(IConfigurationSection section, Func<string, object> parse, out object? value)
    {
        value = null;
        if (section.GetChildren().FirstOrDefault() is { } child)
        {
            faults.Add($"There is no setting {child.Path}: {section.Path} is one value.");
            return false;
        }
        object? read = null;
        Try(section, () => read = parse(section.Value ?? ""));
        value = read;
        return read is not null;
    }

    private void Try(IConfigurationSection section, Action act)
    {
        try
        {
            act();
        }
        catch (Exception exception) when ((exception is TargetInvocationException { InnerException: { } inner } ? inner : exception) is var cause
            && cause is FormatException or ArgumentException or TlsCertificateException or CryptographicException or IOException or UnauthorizedAccessException)
        {
            faults.Add($"{section.Path}{(section.Value is { } value ? $" is '{value}'." : ":")} {Sentence(cause)}");
        }
    }

    // Without what the base library appends for programmers.
    private static string Sentence(Exception exception)
    {
        string message = exception.Message.Split('\n')[0];
        int parameter = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        return parameter < 0 ? message : message[..parameter];
    }

    /// <summary>A certificate, as the configuration names it.</summary>
    private sealed record CertificateFiles
    {
        public string? File { get; init; }

        public string? Key { get; init; }

        public string? Password { get; init; }

        internal TlsCertificate Read() => Path.GetExtension(File)!.ToUpperInvariant() is ".PFX" or ".P12"
            ? TlsCertificate.FromPfx(File!, Password)
            : TlsCertificate.FromPem(File!, Key, Password);
    }
}
