"""The OpenVINO engine: conversion, graph rewrites, inference."""
