package main

var operatorGroups, watcherGroups, lagGroups []group
