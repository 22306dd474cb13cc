// DIR/listening.json: {"kafka":"127.0.0.1:9092", ...}. There while every listener answers, gone otherwise; scripts wait for it.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "world/disk.h"
#include "world/net.h"

namespace tidemill::app {

class ListeningFile {
 public:
  // Removes one that a killed server left.
  ListeningFile(world::Disk& disk, const std::string& dir);
  ~ListeningFile();  // withdraws
  Result<void> publish(const std::map<std::string, world::Address>& addresses);
  void withdraw();

 private:
  world::Disk& disk_;
  std::string path_;
};

}  // namespace tidemill::app
