using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Switchboard.Servers.Tests")]
