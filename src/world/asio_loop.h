// Between real_loop.cc and real_net.cc only: the Asio context of a real loop. Nobody else includes this.
#pragma once

namespace boost::asio {
class io_context;
}

namespace tidemill::world {
class Loop;
boost::asio::io_context& io_context_of(Loop& loop);
}  // namespace tidemill::world
