// DIR/listening.json: {"kafka":"127.0.0.1:9092", ...}. There while every listener answers, gone otherwise; scripts wait for it.
// A full disk does not keep a server from answering: the file is written when there is room.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "world/disk.h"
#include "world/loop.h"
#include "world/net.h"

namespace tidemill::app {

class ListeningFile {
 public:
  // Removes one that a killed server left.
  ListeningFile(world::Disk& disk, const std::string& dir);
  ~ListeningFile();  // withdraws
  // When the disk is full it succeeds too: the file is tried again on `loop`, every second, until it is there or withdrawn.
  Result<void> publish(const std::map<std::string, world::Address>& addresses, world::Loop& loop);
  void withdraw();

 private:
  struct Inside;  // shared with what waits on the loop
  std::shared_ptr<Inside> inside_;
};

}  // namespace tidemill::app
