import io.openmessaging.storage.dledger.DLedgerConfig;
import io.openmessaging.storage.dledger.DLedgerServer;

/** A DLedger server in a process of its own: Node ID PEERS DIR. It ends when its standard input does. */
public final class Node {
    public static void main(String[] args) throws Exception {
        DLedgerConfig config = new DLedgerConfig();
        config.setGroup("bench");
        config.setSelfId(args[0]);
        config.setPeers(args[1]);
        config.setStoreBaseDir(args[2]);
        config.setEnableBatchPush(true);
        config.init();
        DLedgerServer server = new DLedgerServer(config);
        server.startup();
        System.out.println("up");
        while (System.in.read() >= 0) {
            // nothing is asked: only the end is waited for
        }
        Thread closing = new Thread(server::shutdown);
        closing.start();
        closing.join(30_000);
        Runtime.getRuntime().halt(closing.isAlive() ? 1 : 0); // some of its threads are no daemons, and would go on
    }
}
