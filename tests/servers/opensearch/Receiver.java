// OpenSearch in one process of its own, on loopback, without security: what tests send `_bulk` to.

import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.ingest.common.IngestCommonPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.script.mustache.MustachePlugin;
import org.opensearch.transport.Netty4Plugin;

/** Takes its home, the port of its HTTP and the port between nodes; ends when its stdin does. */
public final class Receiver extends Node {
    private Receiver(Settings settings) {
        super(
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "receiver"),
            List.of(Netty4Plugin.class, IngestCommonPlugin.class, MustachePlugin.class),
            false
        );
    }

    public static void main(String[] words) throws Exception {
        Settings settings = Settings.builder()
            .put("path.home", words[0])
            .put("http.port", words[1])
            .put("transport.port", words[2])
            .put("network.host", "127.0.0.1")
            .put("discovery.type", "single-node")
            .put("transport.type", "netty4")
            .put("http.type", "netty4")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        try (Receiver node = new Receiver(settings)) {
            node.start();
            while (System.in.read() >= 0) {
                continue;
            }
        }
    }
}
