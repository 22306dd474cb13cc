// How many files and sockets this process may have open, and how many of them are left for clients.
#pragma once

#include <cstddef>

namespace tidemill::app {

// Raises the soft limit of this process to the hard one; the limit that holds now.
std::size_t raise_descriptor_limit();

// What all listeners together may take: the rest is for the log's files, connectors and queries.
std::size_t connections_within(std::size_t descriptors);

}  // namespace tidemill::app
