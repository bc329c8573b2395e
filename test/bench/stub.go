package main

var lagGroups []group
