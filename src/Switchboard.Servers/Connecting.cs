using System.Net;
using System.Net.Sockets;

namespace Switchboard.Servers;

/// <summary>The way to a server: its addresses, tried one after the other, and the first that answers.</summary>
internal static class Connecting
{
    /// <summary>An address that is silent for so long has the next one tried beside it (RFC 8305).</summary>
    private static readonly TimeSpan _stagger = TimeSpan.FromMilliseconds(250);

    internal static async Task<Connection> ConnectAsync(ClientHome home, ServerAddress address, ClientOptions options, CancellationToken cancellation)
    {
        string host = options.Tls is { } wishes ? HostOf(address, wishes) : "";
        using var time = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (options.ConnectTimeout != Timeout.InfiniteTimeSpan)
        {
            time.CancelAfter(options.ConnectTimeout + Connection.CoarseClockStep);
        }
        try
        {
            EndPoint[] addresses = await FindAsync(address, options, time.Token).ConfigureAwait(home.HasThread);
            IDisposable socket = await OpenFirstAsync(home, address, addresses, options, time.Token).ConfigureAwait(home.HasThread);
            Connection connection = Connection.Open(home, socket, options);
            if (options.Tls is { } tls)
            {
                await SecureAsync(home, connection, tls, address, host, time.Token).ConfigureAwait(home.HasThread);
            }
            return connection;
        }
        catch (OperationCanceledException) when (time.IsCancellationRequested)
        {
            cancellation.ThrowIfCancellationRequested();
            throw ConnectFailedException.TooLong(address, options.ConnectTimeout);
        }
    }

    private static string HostOf(ServerAddress address, TlsClientOptions tls) => address.EndPoint switch
    {
        DnsEndPoint name => name.Host,
        _ when address.IsLocalhost => "localhost",
        IPEndPoint { Address: var ip } => ip.ToString(),
        _ => tls.TargetHost ?? throw new ArgumentException("TlsClientOptions.TargetHost is null, and a Unix socket has no host. Say whose certificate the server must show.", nameof(tls)),
    };

    private static async Task SecureAsync(ClientHome home, Connection connection, TlsClientOptions tls, ServerAddress address, string host, CancellationToken cancellation)
    {
        try
        {
            await connection.CallTlsAsync(tls, host, cancellation).ConfigureAwait(home.HasThread);
        }
        catch (Exception exception)
        {
            await connection.DisposeAsync().ConfigureAwait(home.HasThread);
            if (exception is ConnectionEndedException ended)
            {
                throw ConnectFailedException.NotSecured(address, ended);
            }
            throw;
        }
    }

    private static async Task<EndPoint[]> FindAsync(ServerAddress address, ClientOptions options, CancellationToken cancellation)
    {
        EndPoint[] all = [address.EndPoint];
        if (address.EndPoint is DnsEndPoint name)
        {
            try
            {
                IPAddress[] found = await Dns.GetHostAddressesAsync(name.Host, name.AddressFamily, cancellation).ConfigureAwait(false);
                all = [.. found.DistinctBy(one => one).Select(one => new IPEndPoint(one, name.Port))];
            }
            catch (SocketException exception)
            {
                throw ConnectFailedException.Unknown(name, exception);
            }
        }
        if (options.From is { } from)
        {
            all = Array.FindAll(all, one => one.AddressFamily == from.EndPoint.AddressFamily);
            if (all.Length == 0)
            {
                throw ConnectFailedException.NoneFits(address, from);
            }
        }
        return Alternate(all);
    }

    /// <summary>The families in turn, in the order of the name service otherwise: where one of them leads nowhere, the other
    /// is the next.</summary>
    internal static EndPoint[] Alternate(EndPoint[] all)
    {
        if (all.Length < 3)
        {
            return all;
        }
        EndPoint[] first = Array.FindAll(all, one => one.AddressFamily == all[0].AddressFamily);
        EndPoint[] second = [.. all.Except(first)];
        return [.. Enumerable.Range(0, all.Length).SelectMany(place => first.Skip(place).Take(1).Concat(second.Skip(place).Take(1)))];
    }

    private static async Task<IDisposable> OpenFirstAsync(ClientHome home, ServerAddress address, EndPoint[] addresses, ClientOptions options, CancellationToken cancellation)
    {
        if (addresses is [var only])
        {
            return await OpenAsync(home, only, options, cancellation).ConfigureAwait(home.HasThread);
        }
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var attempts = new List<Task<IDisposable>>();
        var failures = new List<Exception>();
        try
        {
            for (int next = 0; attempts.Count > 0 || next < addresses.Length;)
            {
                if (next < addresses.Length)
                {
                    attempts.Add(OpenAsync(home, addresses[next++], options, end.Token));
                }
                Task first = next < addresses.Length
                    ? await Task.WhenAny([.. attempts, Task.Delay(_stagger, end.Token)]).ConfigureAwait(home.HasThread)
                    : await Task.WhenAny(attempts).ConfigureAwait(home.HasThread);
                cancellation.ThrowIfCancellationRequested();
                if (first is Task<IDisposable> attempt)
                {
                    attempts.Remove(attempt);
                    if (attempt.IsCompletedSuccessfully)
                    {
                        return await attempt.ConfigureAwait(home.HasThread);
                    }
                    failures.Add(attempt.Exception!.InnerException!);
                }
            }
            throw ConnectFailedException.All(address, failures);
        }
        finally
        {
            await end.CancelAsync().ConfigureAwait(home.HasThread);
            foreach (Task<IDisposable> loser in attempts)
            {
                _ = loser.ContinueWith(static late =>
                {
                    if (late.IsCompletedSuccessfully)
                    {
                        late.Result.Dispose();
                    }
                    else
                    {
                        _ = late.Exception;
                    }
                }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
        }
    }

    private static async Task<IDisposable> OpenAsync(ClientHome home, EndPoint address, ClientOptions options, CancellationToken cancellation)
    {
        try
        {
            return await home.OpenAsync(address, options, cancellation).ConfigureAwait(home.HasThread);
        }
        catch (Linux.SystemCallException exception)
        {
            throw ConnectFailedException.Of(address, exception);
        }
    }
}
