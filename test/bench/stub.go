package main

var watcherGroups, lagGroups []group
