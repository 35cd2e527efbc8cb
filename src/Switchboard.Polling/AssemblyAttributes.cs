using System.Runtime.CompilerServices;

[assembly: CLSCompliant(false)]
[assembly: InternalsVisibleTo("Switchboard.Servers")]
[assembly: InternalsVisibleTo("Switchboard.Servers.Tests")]
[assembly: InternalsVisibleTo("Switchboard.Polling.Tests")]
