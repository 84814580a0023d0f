//! What both ends of the web socket for signals agree upon (PROTOCOL.md §5, Web socket).

use phoenix_core::limits::MAX_REQUEST;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// The path of the web socket, at the queuing service.
pub const PATH: &str = "/listen";

/// The web socket's sub-protocol, which clients must offer.
pub const SUB_PROTOCOL: &str = "phoenix.v1";

/// Bytes of the read buffer, which every connection allocates: messages are small.
const BUFFER: usize = 4 << 10;

/// The limits of a connection: no message is larger than an ordinary request.
pub(crate) fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_REQUEST)
        .max_message_size(Some(MAX_REQUEST))
        .max_frame_size(Some(MAX_REQUEST))
}
