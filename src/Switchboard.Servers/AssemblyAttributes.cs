using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Switchboard.Hosting")]
[assembly: InternalsVisibleTo("Switchboard.Hosting.Tests")]
[assembly: InternalsVisibleTo("Switchboard.Servers.Tests")]
